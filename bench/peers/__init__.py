"""What the service is compared with, each kept small and run as its makers mean it to be."""

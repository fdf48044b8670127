"""How fast the service is, measured on this machine beside what it is compared with."""

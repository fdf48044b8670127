"""What is measured, one room per subject: each prepares its data and gives its measures."""

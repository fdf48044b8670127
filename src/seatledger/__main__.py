"""`python -m seatledger` is the `seatledger` command."""

from seatledger.cli import app

if __name__ == "__main__":
    app(prog_name="seatledger")

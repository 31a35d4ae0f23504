"""How well motions are named and actions told apart."""

"""What a stage needs from outside, as Protocols. Import each from its own file."""

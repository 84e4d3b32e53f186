"""The report of one model over a window of time: its numbers, and one HTML file that shows them."""

"""Image arithmetic shared by tasks and layouts; NumPy in, NumPy out."""

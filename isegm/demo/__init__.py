"""The interactive program: a controller that knows no toolkit, and a thin Tk view on it."""

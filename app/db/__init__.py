"""Tables, sessions, and lifecycle: every change of state happens in app.db.lifecycle."""

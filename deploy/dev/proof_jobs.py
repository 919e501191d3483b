def invited(*a, **k): pass
undo = correct = invited

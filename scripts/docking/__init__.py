"""The dock: what a recorder's card holds is digested at the source and sent until it is sealed.

card.py reads, client.py speaks tus, state.py remembers, deliver.py does one file, wipe.py
removes what is proven, progress.py and report.py tell, command.py is the whole run.
"""

"""White-box reading after re-parametrisation: a suspect is put into its host's coordinates before a mark is read.

Reordered channels, positive factors across ReLU and batch norm, signs that batch norm takes back and idle extra channels
leave a network's function as it is and every published white-box reading at chance; channels that are cut leave it no place
to read. Both are undone in two steps. Channels are matched by the correlation of their responses to public pictures, one
linear assignment for each axis. Scales are then fixed by weights alone, relative to the host, so that a mark that moves
activations, as DeepSigns does, moves no scale.
"""

import os
import sys

import markupsafe

print("prefix", sys.prefix)
print("markupsafe", markupsafe.__version__)
with open(os.path.join(sys.argv[1], "x.txt"), "w") as f:
    f.write("made\n")

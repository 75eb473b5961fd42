// Package cas keeps bytes under the name of their SHA-256 (blobs) and
// directories as Merkle trees of such blobs, in one local directory. What it
// has acknowledged is on disk; what it hands out can be verified.
//
// # Layout
//
//	blobs/sha256/ab/<64 hex>   one file per blob, mode 0444, never rewritten
//	tmp/                       unfinished writes; emptied when the store is opened
//	quarantine/                blobs that Fsck found damaged
//
// # Tree objects
//
// A directory is a blob like any other, whose text is, byte for byte:
//
//		cairn-tree 1\n
//		<mode> <size> <files> <hex> <name>\n
//		…
//
//	  - The lines are sorted by name, compared as bytes; no name occurs twice. An
//	    empty directory is the first line alone.
//	  - mode is one of 000644 (file), 000755 (executable file), 120000 (symbolic
//	    link) and 040000 (directory): six octal digits.
//	  - size is the number of bytes of the file, of the link's target, or of all
//	    files and links below a directory; files is how many these are below a
//	    directory and 0 for anything else. Both are decimal without leading zeros.
//	  - hex are the 64 lower-case digits of the SHA-256 of the content: of the
//	    file's bytes, of the link's target, of the directory's own text.
//	  - name is 1 to 255 bytes, neither "." nor "..", without "/" and NUL. A line
//	    feed in it is written \n, a backslash \\; no other byte is changed, and
//	    case and Unicode form are kept as they are.
//
// Times and owners are not part of it, so that the same content gives the same
// digest on any machine.
//
// Symbolic links are kept if they stay inside the tree whatever else it holds:
// a target is relative, ".." stands only at its start, and not more often than
// the link is deep. Check-in and check-out refuse others.
package cas

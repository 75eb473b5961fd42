package cairn

// TreeEntry is one line of a directory object.
type TreeEntry struct {
	Name   string `json:"name"`
	Mode   uint32 `json:"mode"`            // 0644, 0755, 0120000 (symlink), 0040000 (directory)
	Size   int64  `json:"size"`            // bytes; of a directory: of all files below
	Files  int64  `json:"files,omitempty"` // of a directory: files below
	Digest Digest `json:"digest"`
}

// The modes of tree entries.
const (
	ModeFile    uint32 = 0o644
	ModeExec    uint32 = 0o755
	ModeSymlink uint32 = 0o120000
	ModeDir     uint32 = 0o040000
)

// TreeDir is one directory object.
type TreeDir struct {
	Digest  Digest
	Entries []TreeEntry
}

// Blob names stored bytes and says how many they are.
type Blob struct {
	Digest Digest `json:"digest"`
	Size   int64  `json:"size"`
}

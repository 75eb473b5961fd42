package cairn

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Digest names bytes by their SHA-256, written as in OCI: "sha256:" and 64
// lower-case hex digits. The zero value means "not known".
type Digest string

const digestPrefix = "sha256:"

// SumBytes returns the digest of b.
func SumBytes(b []byte) Digest {
	sum := sha256.Sum256(b)
	return DigestOf(sum[:])
}

// DigestOf wraps a finished SHA-256 sum (32 bytes).
func DigestOf(sum []byte) Digest { return Digest(digestPrefix + hex.EncodeToString(sum)) }

// ParseDigest checks s, which may come from anywhere.
func ParseDigest(s string) (Digest, error) {
	d := Digest(s)
	if !d.Valid() {
		return "", &Error{
			Code:    CodeInvalid,
			Message: fmt.Sprintf("%q is not a digest", clip(s, 100)),
			Hint:    "a digest is sha256: followed by 64 lower-case hex digits",
		}
	}
	return d, nil
}

// Valid reports whether d has the exact form of a digest.
func (d Digest) Valid() bool {
	h, ok := strings.CutPrefix(string(d), digestPrefix)
	return ok && len(h) == 64 && isLowerHex(h)
}

// Hex returns the 64 hex digits, or "" for a digest that is not valid.
func (d Digest) Hex() string {
	if !d.Valid() {
		return ""
	}
	return string(d[len(digestPrefix):])
}

// Short returns the first 12 hex digits: for people, never as a key.
func (d Digest) Short() string {
	h := d.Hex()
	if h == "" {
		return ""
	}
	return h[:12]
}

func isLowerHex(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}

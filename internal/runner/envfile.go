package runner

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"unicode/utf16"

	"github.com/cairn-ml/cairn"
)

// The environment files of a step and what they may hold.
const (
	fileEnv     = "GITHUB_ENV"
	fileOutput  = "GITHUB_OUTPUT"
	filePath    = "GITHUB_PATH"
	fileState   = "GITHUB_STATE"
	fileSummary = "GITHUB_STEP_SUMMARY"
	fileMade    = "GITHUB_ARTIFACTS"
	fileAllMade = "GITHUB_ARTIFACTS_LIST" // only read by steps

	maxSummary = 1 << 20 // bytes; what is longer is left out, as on GitHub
	maxEnvFile = 1 << 20 // bytes of each other file
)

// envFiles lists the files in the order in which they are processed.
func envFiles() []string {
	return []string{filePath, fileEnv, fileSummary, fileState, fileOutput, fileMade}
}

// openPlain opens a file for reading. A step may have put a FIFO there, whose
// opening would wait for a writer.
func openPlain(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// readEnvFile reads at most limit bytes. A step may remove its files: then they
// are empty.
func readEnvFile(path string, limit int64) ([]byte, error) {
	f, err := openPlain(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readPlain(f, limit)
}

func readPlain(f *os.File, limit int64) ([]byte, error) {
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, cairn.Errorf(cairn.CodeInvalid, "it is no longer a regular file")
	}
	if fi.Size() == 0 {
		return nil, nil
	}
	if fi.Size() > limit {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "it holds %s; at most %s are allowed", sizeText(fi.Size()), sizeText(limit))
	}
	b, err := io.ReadAll(io.LimitReader(f, limit))
	return decodeText(b), err
}

// decodeText turns what Windows tools write (a byte order mark, UTF-16) into UTF-8.
func decodeText(b []byte) []byte {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(b, []byte{0xEF, 0xBB, 0xBF}):
		return b[3:]
	case bytes.HasPrefix(b, []byte{0xFF, 0xFE}):
		order = binary.LittleEndian
	case bytes.HasPrefix(b, []byte{0xFE, 0xFF}):
		order = binary.BigEndian
	default:
		return b
	}
	b = b[2:]
	units := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		units = append(units, order.Uint16(b))
	}
	return []byte(string(utf16.Decode(units)))
}

// ParseEnvFile reads NAME=value lines and NAME<<DELIMITER blocks. The messages
// are GitHub's.
func ParseEnvFile(text string) ([]EnvVar, error) {
	var out []EnvVar
	for text != "" {
		line, rest, _ := strings.Cut(text, "\n")
		text = rest
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			continue
		}
		eq, here := strings.Index(line, "="), strings.Index(line, "<<")
		switch {
		case here >= 0 && (eq < 0 || here < eq):
			name, delim := line[:here], line[here+2:]
			if name == "" || delim == "" {
				return out, fmt.Errorf("Invalid format '%s'. Name must not be empty and delimiter must not be empty", line)
			}
			value, rest, err := heredoc(text, delim)
			if err != nil {
				return out, err
			}
			text = rest
			out = append(out, EnvVar{name, value})
		case eq > 0:
			out = append(out, EnvVar{line[:eq], line[eq+1:]})
		case eq == 0:
			return out, fmt.Errorf("Invalid format '%s'. Name must not be empty", line)
		default:
			return out, fmt.Errorf("Invalid format '%s'", line)
		}
	}
	return out, nil
}

// heredoc splits text at the line that is delim.
func heredoc(text, delim string) (value, rest string, err error) {
	at := 0
	for at < len(text) {
		end := strings.IndexByte(text[at:], '\n')
		last := end < 0
		if last {
			end = len(text) - at
		}
		if strings.TrimSuffix(text[at:at+end], "\r") == delim {
			value = strings.TrimSuffix(strings.TrimSuffix(text[:at], "\n"), "\r")
			if !last {
				rest = text[at+end+1:]
			}
			return value, rest, nil
		}
		if last {
			break
		}
		at += end + 1
	}
	return "", "", fmt.Errorf("Invalid value. Matching delimiter not found '%s'", delim)
}

// ParsePathFile reads one folder per line.
func ParsePathFile(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// checkEnvName says why a variable cannot be set for later steps: an error stops
// the step, a warning only leaves the variable as it is.
func checkEnvName(name string, reserved map[string]string) (warning string, err error) {
	if strings.EqualFold(name, "NODE_OPTIONS") {
		return "", fmt.Errorf("Can't store NODE_OPTIONS output parameter using '$GITHUB_ENV' command.")
	}
	if strings.ContainsRune(name, 0) {
		return "", fmt.Errorf("Invalid environment variable name '%q'", name)
	}
	if _, ok := reserved[name]; ok || name == "CI" {
		return fmt.Sprintf("%s is set by the runner and keeps its value: GITHUB_* and RUNNER_* variables cannot be changed through GITHUB_ENV", name), nil
	}
	return "", nil
}

func sizeText(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	default:
		return fmt.Sprintf("%d bytes", n)
	}
}

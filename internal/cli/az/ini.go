package az

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// ini is a configuration file as the original keeps it: sections of name = value.
type ini struct {
	path     string
	sections []section
}

type section struct {
	name    string
	entries []entry
}

type entry struct{ name, value string }

const maxConfig = 1 << 20

// readINI reads a configuration; one that is not there is empty.
func readINI(path string) (*ini, error) {
	c := &ini{path: path}
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil && fi.Size() > maxConfig {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%s has more than %d bytes", path, maxConfig)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "%s cannot be read: %w", path, err)
	}
	in := ""
	for n, s := 1, bufio.NewScanner(bytes.NewReader(text)); s.Scan(); n++ {
		line := strings.TrimSpace(s.Text())
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[' && strings.HasSuffix(line, "]"):
			in = line[1 : len(line)-1]
			c.section(in)
		default:
			i := strings.IndexAny(line, "=:")
			if i <= 0 || in == "" {
				return nil, cairn.Errorf(cairn.CodeInvalid, "%s:%d: %q is neither [section] nor name = value", path, n, line)
			}
			c.set(in, strings.TrimSpace(line[:i]), strings.TrimSpace(line[i+1:]))
		}
	}
	return c, nil
}

func (c *ini) section(name string) *section {
	for i := range c.sections {
		if c.sections[i].name == name {
			return &c.sections[i]
		}
	}
	c.sections = append(c.sections, section{name: name})
	return &c.sections[len(c.sections)-1]
}

// get is a value; names of entries have no case.
func (c *ini) get(sec, name string) (string, bool) {
	for i := range c.sections {
		if c.sections[i].name != sec {
			continue
		}
		for _, e := range c.sections[i].entries {
			if strings.EqualFold(e.name, name) {
				return e.value, true
			}
		}
	}
	return "", false
}

func (c *ini) set(sec, name, value string) {
	s := c.section(sec)
	for i := range s.entries {
		if strings.EqualFold(s.entries[i].name, name) {
			s.entries[i].value = value
			return
		}
	}
	s.entries = append(s.entries, entry{strings.ToLower(name), value})
}

func (c *ini) unset(sec, name string) {
	s := c.section(sec)
	s.entries = slices.DeleteFunc(s.entries, func(e entry) bool { return strings.EqualFold(e.name, name) })
}

// save writes the file at once or not at all, for its user alone.
func (c *ini) save() error {
	var b strings.Builder
	for _, s := range c.sections {
		if len(s.entries) == 0 {
			continue
		}
		fmt.Fprintf(&b, "[%s]\n", s.name)
		for _, e := range s.entries {
			fmt.Fprintf(&b, "%s = %s\n", e.name, e.value)
		}
		b.WriteByte('\n')
	}
	return writePrivate(c.path, []byte(b.String()))
}

// writePrivate replaces a file that only its user may read.
func writePrivate(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "no folder for the configuration: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the configuration cannot be written: %w", err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return cairn.Errorf(cairn.CodeFailed, "the configuration cannot be written: %w", err)
	}
	return nil
}

package wheel

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"io"
	"regexp"
	"strings"
	"sync"
)

// shebang is the first line of a script that the image's Python runs. A kernel
// cuts a long one and splits one with spaces, so those go through sh, as
// distlib writes them.
func (t *target) shebang() string {
	if len(t.interpreter)+3 <= 127 && !strings.ContainsAny(t.interpreter, " \t") {
		return "#!" + t.interpreter + "\n"
	}
	return "#!/bin/sh\n'''exec' " + shellWord(t.interpreter) + " \"$0\" \"$@\"\n' '''\n"
}

func shellWord(s string) string {
	if strings.ContainsAny(s, " \t\"'\\$`") {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(s) + `"`
	}
	return s
}

const maxScript = 64 << 20

// rewrite gives a script of the wheel that begins with #!python the image's
// interpreter.
func (in *installation) rewrite(a *archive, f *placedFile) error {
	r, err := a.files[f.from].Open()
	if err != nil {
		return a.bad("%s: %w", f.from, err)
	}
	head := make([]byte, 8)
	n, err := io.ReadFull(r, head)
	r.Close()
	if n < len(head) && err != io.EOF && err != io.ErrUnexpectedEOF {
		return a.bad("%s: %w", f.from, err)
	}
	if !bytes.Equal(head, []byte("#!python")) {
		return nil
	}
	b, err := a.content(a.files[f.from], maxScript)
	if err != nil {
		return err
	}
	h, err := newHash(a.record[f.from].algorithm)
	if err != nil {
		return a.bad("%s: %w", f.from, err)
	}
	h.Write(b)
	if err := a.check(f.from, h.Sum(nil)); err != nil {
		return err
	}
	_, rest, _ := bytes.Cut(b, []byte("\n"))
	text := append([]byte(in.t.shebang()), rest...)
	sum := sha256.Sum256(text)
	*f = placedFile{text: text, mode: 0o755, size: int64(len(text)), digest: "sha256=" + encodeSum(sum[:])}
	return nil
}

var (
	// The letters of all languages are many: only those pay who make scripts.
	moduleRE = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[\pL_][\pL\pN_]*(\.[\pL_][\pL\pN_]*)*$`) })
	entryRE  = regexp.MustCompile(`^([^:\s\[]+)\s*:\s*([^\s\[]+)\s*(\[[^\]]*\])?$`)
)

// entryPoints are the scripts that entry_points.txt asks for, by name.
func (in *installation) entryPoints(a *archive) (map[string][]byte, error) {
	b, ok, err := a.meta("entry_points.txt")
	if err != nil || !ok {
		return nil, err
	}
	out := map[string][]byte{}
	section := ""
	sc := bufio.NewScanner(bytes.NewReader(b))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		line := strings.TrimSpace(sc.Text())
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
			continue
		case line[0] == '[' && line[len(line)-1] == ']':
			section = strings.TrimSpace(line[1 : len(line)-1])
			continue
		case section != "console_scripts" && section != "gui_scripts":
			continue
		}
		name, value, _ := strings.Cut(line, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		m := entryRE.FindStringSubmatch(value)
		if m == nil || !moduleRE().MatchString(m[1]) || !moduleRE().MatchString(m[2]) || !scriptName(name) {
			return nil, a.badEntry(name, value)
		}
		out[name] = in.script(m[1], m[2])
	}
	return out, sc.Err()
}

// script is the text that pip writes for an entry point.
func (in *installation) script(module, function string) []byte {
	first, _, _ := strings.Cut(function, ".")
	return []byte(in.t.shebang() + `# -*- coding: utf-8 -*-
import re
import sys
from ` + module + ` import ` + first + `
if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\.pyw|\.exe)?$', '', sys.argv[0])
    sys.exit(` + function + `())
`)
}

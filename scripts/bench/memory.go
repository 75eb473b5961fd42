package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// settle is how long processes are left alone before their memory is read: they give
// back what they do not need once nobody asks anything for a while.
const settle = 15 * time.Second

// memory prints what Cairn's own processes hold while nothing happens.
func (b *bench) memory() {
	time.Sleep(settle)
	for _, p := range []struct{ name, arg string }{{"owner, idle", "serve"}, {"process of a stage, idle", "_stage"}} {
		rss, anon, n, err := b.resident(p.arg)
		if err != nil {
			missing(p.name, err)
			continue
		}
		name := p.name
		if p.arg == "_stage" {
			name = fmt.Sprintf("%d stage processes, idle, each", n)
		}
		row(name, fmt.Sprintf("%.1f MB", rss/float64(n)), "", fmt.Sprintf("resident; %.1f MB of it its own", anon/float64(n)))
	}
}

// resident adds up what the processes hold that serve the home with a word as
// their first argument: all of it, and without the pages of the binary, which they
// share.
func (b *bench) resident(word string) (rss, anon float64, n int, err error) {
	files, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil || len(files) == 0 {
		return 0, 0, 0, errors.New("no /proc here")
	}
	for _, f := range files {
		environ, _ := os.ReadFile(filepath.Join(filepath.Dir(f), "environ"))
		args, _ := os.ReadFile(filepath.Join(filepath.Dir(f), "cmdline"))
		if !strings.Contains(string(environ), "CAIRN_HOME="+b.home()+"\x00") || !strings.Contains(string(args), "\x00"+word+"\x00") {
			continue
		}
		status, err := os.ReadFile(f)
		if err != nil {
			continue // it has just ended
		}
		n++
		rss += megabytes(string(status), "VmRSS:")
		anon += megabytes(string(status), "RssAnon:")
	}
	if n == 0 {
		return 0, 0, 0, errors.New("no such process found")
	}
	return rss, anon, n, nil
}

func megabytes(status, key string) float64 {
	for line := range strings.Lines(status) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == key {
			kb, _ := strconv.ParseFloat(f[1], 64) // what the kernel prints is a number
			return kb / 1000
		}
	}
	return 0
}

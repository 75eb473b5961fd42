package server

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/cairn-ml/cairn"
)

// recorded is $CAIRN_HOME/server.json: for people, and for the next owner, which
// keeps the address while jobs know it.
type recorded struct {
	PID    int    `json:"pid"`
	Listen string `json:"listen"`
	URL    string `json:"url"`
	// Left says that the owner ended in good order, and how many runs it left
	// under way: a supervisor starts an owner only when there is need for one.
	Left   bool `json:"left,omitempty"`
	Active int  `json:"active,omitempty"`
}

// needed reports whether somebody waits for an owner.
func (r recorded) needed() bool { return r.PID != 0 && (!r.Left || r.Active > 0) }

func (s *Server) recordedPath() string { return filepath.Join(s.o.Home, "server.json") }

func readRecorded(home string) recorded {
	var r recorded
	if b, err := os.ReadFile(filepath.Join(home, "server.json")); err == nil {
		// A damaged file says nothing; it is written anew.
		_ = json.Unmarshal(b, &r)
	}
	return r
}

func (s *Server) writeRecorded(r recorded) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	tmp := s.recordedPath() + ".tmp"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		os.Remove(tmp) // half of it, where the disk is full
		return cairn.Errorf(cairn.CodeUnavailable, "cannot write to the home of Cairn: %w", err)
	}
	return os.Rename(tmp, s.recordedPath())
}

// recordLeft notes what is under way when the owner leaves.
func (s *Server) recordLeft() error {
	if s.url == "" {
		return nil // it never answered: the record is of the owner before
	}
	active, err := s.store.ActiveRuns(context.Background())
	if err != nil {
		return err
	}
	r := readRecorded(s.o.Home)
	r.Left, r.Active = true, len(active)
	return s.writeRecorded(r)
}

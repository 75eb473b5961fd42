package git

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// pusherFile says who asked for which moves of refs: pushes may cross each other,
// and some are only seen at the next start.
const pusherFile = "cairn-pushed-by"

// pusherLimit is how many moves are remembered: those that were not seen yet are
// among the last ones.
const pusherLimit = 2000

// asked is a move of a ref that somebody asked for.
type asked struct {
	Ref string `json:"ref"`
	New string `json:"new"`
	By  string `json:"by"`
}

// maxCommands bounds the list of moves that a push begins with.
const maxCommands = 4 << 20

// commands reads the moves that a push asks for. rest gives the whole request
// again, for git itself.
func commands(all io.Reader) (moves []asked, rest io.Reader, err error) {
	var head bytes.Buffer
	in := io.TeeReader(all, &head)
	for {
		size := make([]byte, 4)
		if _, err := io.ReadFull(in, size); errors.Is(err, io.EOF) {
			break // git says what is wrong with it
		} else if err != nil {
			return nil, nil, badPush(err)
		}
		n, err := strconv.ParseUint(string(size), 16, 16)
		if err == nil && n > 0 && n < 4 {
			err = errors.New("a line is shorter than its length")
		}
		if err != nil {
			return nil, nil, badPush(err)
		}
		if n == 0 {
			break
		}
		line := make([]byte, n-4)
		if _, err := io.ReadFull(in, line); err != nil {
			return nil, nil, badPush(err)
		}
		if head.Len() > maxCommands {
			return nil, nil, cairn.Errorf(cairn.CodeTooLarge, "a push moves too many refs at once")
		}
		text, _, _ := strings.Cut(string(line), "\x00")
		if f := strings.Fields(text); len(f) == 3 && CheckRef(f[2]) == nil {
			moves = append(moves, asked{Ref: f[2], New: f[1]})
		}
	}
	return moves, io.MultiReader(&head, all), nil
}

func badPush(err error) error {
	if ce := new(cairn.Error); errors.As(err, &ce) {
		return err
	}
	return cairn.Errorf(cairn.CodeInvalid, "the push cannot be read: %w", err)
}

// notePushers writes down who asks for moves, before git carries them out.
func (s *Server) notePushers(dir string, moves []asked, by string) error {
	s.noting.Lock()
	defer s.noting.Unlock()
	path := filepath.Join(dir, pusherFile)
	all, err := readPushers(path)
	if err != nil {
		return err
	}
	for _, m := range moves {
		m.By = by
		all = append(all, m)
	}
	text, err := json.Marshal(all[max(0, len(all)-pusherLimit):])
	if err != nil {
		return err
	}
	return fileError(writeFile(path, string(text)))
}

func readPushers(path string) ([]asked, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fileError(err)
	}
	var all []asked
	if json.Unmarshal(b, &all) != nil {
		return nil, nil // damaged: nobody is known, and nothing else is lost
	}
	return all, nil
}

// pushers tells who asked for a move last; "" for nobody known.
func (s *Server) pushers(repo string) (func(ref, now string) string, error) {
	dir, err := s.host.Dir(repo)
	if err != nil {
		return nil, err
	}
	all, err := readPushers(filepath.Join(dir, pusherFile))
	return func(ref, now string) string {
		for i := len(all) - 1; i >= 0; i-- {
			if all[i].Ref == ref && all[i].New == now {
				return all[i].By
			}
		}
		return ""
	}, err
}

package store

import (
	"errors"
	"testing"

	"github.com/cairn-ml/cairn"
)

// putJobRow writes what the store looks at of a job.
func putJobRow(t *testing.T, s *Store, id cairn.JobID, epoch int64, status cairn.Status) {
	t.Helper()
	err := s.write(t.Context(), func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO jobs (id, run, attempt, path, status, conclusion, epoch, body)
			VALUES (?, 1, 1, ?, ?, '', ?, '{}') ON CONFLICT (id) DO UPDATE SET status = excluded.status, epoch = excluded.epoch`,
			id, string(cairn.JobRef(id)), string(status), epoch)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWritesEndWithTheLease(t *testing.T) {
	t.Parallel()
	s := open(t)
	put := func(l cairn.Lease, path string) error {
		return s.PutMLFile(cairn.WithLease(t.Context(), l), cairn.MLFile{Path: path, Digest: cairn.SumBytes([]byte(path)), By: "job/1"})
	}
	putJobRow(t, s, 1, 2, cairn.StatusRunning)
	if err := put(cairn.Lease{Job: 1, Epoch: 2}, "a/now"); err != nil {
		t.Fatal(err)
	}
	if err := put(cairn.Lease{Job: 1, Epoch: 1}, "a/older"); cairn.CodeOf(err) != cairn.CodeForbidden {
		t.Errorf("an older lease: %v", err)
	}
	if err := put(cairn.Lease{Job: 9, Epoch: 1}, "a/unknown"); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Errorf("an unknown job: %v", err)
	}
	putJobRow(t, s, 1, 2, cairn.StatusCompleted)
	if err := put(cairn.Lease{Job: 1, Epoch: 2}, "a/late"); cairn.CodeOf(err) != cairn.CodeForbidden {
		t.Errorf("a job that has ended: %v", err)
	}
	files, err := s.MLFilesIn(t.Context(), "a")
	if err != nil || len(files) != 1 || files[0].Path != "a/now" {
		t.Errorf("files: %v %v", files, err)
	}
}

// TestGroupWithoutItsTransaction: where SQLite rolls back the whole transaction
// (a full disk), all callers of the group are told that nothing was written, and
// that is so.
func TestGroupWithoutItsTransaction(t *testing.T) {
	t.Parallel()
	s := open(t)
	insert := func(key string) func(*Tx) error {
		return func(tx *Tx) error {
			_, err := tx.Exec(`INSERT INTO meta (key, value) VALUES (?, 'x')`, key)
			return err
		}
	}
	full := errors.New("full")
	group := []*request{}
	for _, fn := range []func(*Tx) error{
		insert("before"),
		func(tx *Tx) error {
			if _, err := tx.Exec("ROLLBACK"); err != nil {
				t.Error(err)
			}
			return full
		},
		insert("after"),
	} {
		group = append(group, &request{ctx: t.Context(), fn: fn, reply: make(chan error, 1)})
	}
	// The writer itself must not be at it meanwhile.
	s.writer.once.Do(func() { close(s.writer.quit) })
	<-s.writer.done
	s.writer.commit(group)
	for i, r := range group {
		if err := <-r.reply; !errors.Is(err, full) {
			t.Errorf("caller %d: %v", i, err)
		}
	}
	var n int
	if err := s.reads.QueryRow(`SELECT COUNT(*) FROM meta`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows, want none (%v)", n, err)
	}
}

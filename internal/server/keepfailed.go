package server

import (
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner/host"
)

// KeepFailed bounds the workspaces of failed jobs that stay, so that cairn run rerun
// --from-failed-step can go on in them. What is left out has its default.
type KeepFailed struct {
	Count *int    `yaml:"count"` // 0: none stays
	Hours float64 `yaml:"hours"`
	Size  Bytes   `yaml:"size"`
}

func (k *KeepFailed) keeping() host.Keeping {
	out := host.DefaultKeeping()
	if k.Count != nil {
		out.Count = *k.Count
	}
	if k.Hours > 0 {
		out.Age = time.Duration(k.Hours * float64(time.Hour))
	}
	if k.Size > 0 {
		out.Bytes = int64(k.Size)
	}
	return out
}

func (k *KeepFailed) check(path string) error {
	const most, year = 1000, 366 * 24
	switch {
	case k.Count != nil && (*k.Count < 0 || *k.Count > most):
		return cairn.Errorf(cairn.CodeInvalid, "%s: keep_failed.count is %d; it may be 0 to %d", path, *k.Count, most)
	case k.Hours < 0 || k.Hours > year || k.Hours != k.Hours:
		return cairn.Errorf(cairn.CodeInvalid, "%s: keep_failed.hours is %v; it may be up to %d", path, k.Hours, year)
	case k.Size < 0:
		return cairn.Errorf(cairn.CodeInvalid, "%s: keep_failed.size is negative", path)
	}
	return nil
}

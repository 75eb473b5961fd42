package asset

import (
	"testing"

	"github.com/cairn-ml/cairn"
)

func TestUntrustedMakesNoAssets(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	fork := cairn.Principal{Name: "job/1", Role: cairn.RoleJob, Job: 1, Run: 1, Untrusted: true}
	ctx := t.Context()
	calls := map[string]func() error{
		"create": func() error { _, err := s.Create(ctx, NewVersion{Kind: cairn.AssetModel, Name: "m"}, fork); return err },
		"update": func() error {
			_, err := s.UpdateVersion(ctx, cairn.AssetData, "d", "1", Update{}, fork)
			return err
		},
		"delete": func() error { return s.DeleteVersion(ctx, cairn.AssetData, "d", "1", fork) },
		"create name": func() error {
			_, err := s.CreateName(ctx, cairn.Asset{Kind: cairn.AssetModel, Name: "m"}, fork)
			return err
		},
		"update name": func() error { _, err := s.UpdateName(ctx, cairn.AssetModel, "m", Update{}, fork); return err },
		"delete name": func() error { return s.DeleteName(ctx, cairn.AssetModel, "m", fork) },
		"set label":   func() error { _, err := s.SetLabel(ctx, cairn.AssetModel, "m", "prod", "1", fork); return err },
		"drop label":  func() error { return s.DeleteLabel(ctx, cairn.AssetModel, "m", "prod", fork) },
	}
	for name, call := range calls {
		if err := call(); cairn.CodeOf(err) != cairn.CodeForbidden {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := trusted(fork, cairn.AssetEnvironment); err != nil {
		t.Errorf("the packages of a job: %v", err)
	}
}

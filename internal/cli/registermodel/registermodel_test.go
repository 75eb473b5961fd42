package registermodel_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/registermodel"
)

type server struct {
	made   client.NewAsset
	shared client.ShareAsset
	files  []client.TreeFile
}

func (s *server) UploadTree(_ context.Context, dir string, paths []string) (cairn.Digest, int64, int64, error) {
	return cairn.SumBytes([]byte(filepath.Base(dir) + strings.Join(paths, ","))), 1, 1, nil
}

func (s *server) TreeFiles(context.Context, cairn.Digest) ([]client.TreeFile, error) {
	return []client.TreeFile{{Path: "animal-cnn/weights"}}, nil
}

func (s *server) PutTree(_ context.Context, files []client.TreeFile) (*client.TreeInfo, error) {
	s.files = files
	return &client.TreeInfo{Root: cairn.SumBytes([]byte("wrapped"))}, nil
}

func (s *server) CreateAsset(_ context.Context, n client.NewAsset) (*cairn.AssetVersion, error) {
	s.made = n
	v := n.Version
	if v == "" {
		v = "7"
	}
	return &cairn.AssetVersion{Kind: n.Kind, Name: n.Name, Version: v}, nil
}

func (s *server) Share(_ context.Context, x client.ShareAsset) (*cairn.AssetVersion, error) {
	s.shared = x
	return &cairn.AssetVersion{Name: x.Registry + "/m", Version: "7"}, nil
}

func model(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "INPUT_model_path")
	for name, text := range files {
		p := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(p), 0o755)
		os.WriteFile(p, []byte(text), 0o644)
	}
	return dir
}

func TestRegister(t *testing.T) {
	t.Parallel()
	mlmodel := map[string]string{"MLmodel": "flavors:\n  sklearn:\n    pickled_model: model.pkl\n"}
	for _, c := range []struct {
		name  string
		files map[string]string
		args  []string
		code  int
		says  string
		check func(t *testing.T, s *server, d map[string]any)
	}{
		{"custom", map[string]string{"animal-cnn/weights": "w"}, []string{"--model_name", "animal classification", "--model_type", "custom_model", "--model_description", "cats"}, 0, "animal-classification version 7",
			func(t *testing.T, s *server, d map[string]any) {
				if len(s.files) != 1 || s.files[0].Path != "INPUT_model_path/animal-cnn/weights" {
					t.Errorf("files %+v", s.files)
				}
				if s.made.Name != "animal-classification" || s.made.Properties["type"] != "custom_model" || s.made.Properties["path"] != "INPUT_model_path" || s.made.Description != "cats" {
					t.Errorf("made %+v", s.made)
				}
				if d["id"] != "/w/models/animal-classification/versions/7" || d["version"] != "7" || d["type"] != "custom_model" {
					t.Errorf("details %+v", d)
				}
			}},
		{"mlflow", mlmodel, []string{"--model_name", "m", "--model_version", "3"}, 0, "m version 3 (mlflow_model)", func(t *testing.T, s *server, d map[string]any) {
			if s.files != nil || s.made.Version != "3" || d["flavors"].(map[string]any)["sklearn"] == nil {
				t.Errorf("%+v %+v", s.made, d)
			}
		}},
		{"registry", mlmodel, []string{"--model_name", "m", "--registry_name", "shared"}, 0, "", func(t *testing.T, s *server, d map[string]any) {
			if s.shared.Registry != "shared" || d["id"] != "azureml://registries/shared/models/m/versions/7" {
				t.Errorf("%+v %+v", s.shared, d)
			}
		}},
		{"no MLmodel", map[string]string{"x": "x"}, []string{"--model_name", "m"}, 1, "needs a file MLmodel", nil},
		{"no name", mlmodel, nil, 2, "are needed", nil},
		{"empty name", mlmodel, []string{"--model_name", "__"}, 1, "no letter", nil},
		{"type", mlmodel, []string{"--model_name", "m", "--model_type", "onnx"}, 2, "not one of", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, out := &server{}, t.TempDir()
			var text bytes.Buffer
			args := append([]string{"--model_path", model(t, c.files), "--registration_details_folder", out}, c.args...)
			env := func(name string) string { return map[string]string{"AZUREML_WORKSPACE_SCOPE": "/w"}[name] }
			if code := registermodel.Main(context.Background(), args, env, s, &text, &text); code != c.code || !strings.Contains(text.String(), c.says) {
				t.Fatalf("code %d: %s", code, &text)
			}
			if c.check == nil {
				return
			}
			b, err := os.ReadFile(filepath.Join(out, "model_registration_details.json"))
			if err != nil {
				t.Fatal(err)
			}
			var d map[string]any
			if err := json.Unmarshal(b, &d); err != nil {
				t.Fatal(err)
			}
			c.check(t, s, d)
		})
	}
}

func TestDetailsFileAndMetadata(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	meta := filepath.Join(dir, "meta.json")
	os.WriteFile(meta, []byte(`{"tags": {"task": "cls"}, "properties": {"size": 3}, "description": "d"}`), 0o644)
	to := filepath.Join(dir, "registration_details")
	s := &server{}
	var text bytes.Buffer
	code := registermodel.Main(context.Background(), []string{"--model_path", model(t, map[string]string{"a": "b"}), "--model_name", "m", "--model_type", "custom",
		"--model_metadata", meta, "--registration_details", to}, func(string) string { return "" }, s, &text, &text)
	if code != 0 || s.made.Tags["task"] != "cls" || s.made.Properties["size"] != "3" || s.made.Description != "d" {
		t.Errorf("%d %s %+v", code, &text, s.made)
	}
	if _, err := os.Stat(to); err != nil {
		t.Error(err)
	}
}

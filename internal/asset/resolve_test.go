package asset

import (
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"pgregory.net/rapid"
)

// v makes version n of data/digits, made in an attempt of the asking run (0: not
// by it).
func v(n int64, attempt int) cairn.AssetVersion {
	out := cairn.AssetVersion{Kind: cairn.AssetData, Name: "digits", Version: string('0' + rune(n)), Seq: n, Digest: cairn.SumBytes([]byte{byte(n)}), Attempt: attempt}
	if attempt > 0 {
		out.Run = 7
	}
	return out
}

func ptr(v cairn.AssetVersion) *cairn.AssetVersion { return &v }

func pin(attempt int, job cairn.JobID, path string, n int64) cairn.PinnedVersion {
	return cairn.PinnedVersion{Pin: cairn.Pin{Run: 7, Attempt: attempt, Job: job, Asked: "data/digits@latest"}, Path: path, Asset: v(n, 0)}
}

func gone(p cairn.PinnedVersion) cairn.PinnedVersion { p.Asset.Deleted = true; return p }

func TestChoose(t *testing.T) {
	t.Parallel()
	latest := func(attempt int) cairn.PinAsk {
		return cairn.PinAsk{Run: 7, Attempt: attempt, Job: 70, Path: "train", Asked: "data/digits@latest", Label: Latest}
	}
	refresh := func(attempt int) cairn.PinAsk { a := latest(attempt); a.Refresh = true; return a }
	champion := func(attempt int) cairn.PinAsk { a := latest(attempt); a.Label = "champion"; return a }
	version := cairn.PinAsk{Run: 7, Attempt: 1, Job: 70, Asked: "data/digits:3", Version: "3"}
	deleted := v(3, 0)
	deleted.Deleted = true
	archived := v(5, 1)
	archived.Archived = true
	for _, c := range []struct {
		name string
		ask  cairn.PinAsk
		f    cairn.PinFacts
		want string // the version, "" for not found
		why  string
	}{
		{"nothing there", latest(1), cairn.PinFacts{}, "", ""},
		{"workspace", latest(1), cairn.PinFacts{Now: ptr(v(3, 0))}, "3", ""},
		{"explicit version", version, cairn.PinFacts{Now: ptr(v(3, 0)), Made: []cairn.AssetVersion{v(4, 1)}, Pins: []cairn.PinnedVersion{pin(1, 70, "train", 2)}}, "3", ""},
		{"explicit version, deleted", version, cairn.PinFacts{Now: &deleted}, "", ""},
		{"explicit version, absent", version, cairn.PinFacts{}, "", ""},
		{"1: made in this attempt, before a newer one of others", latest(1), cairn.PinFacts{Now: ptr(v(5, 0)), Made: []cairn.AssetVersion{v(3, 1), v(4, 1)}}, "4", "made in this attempt"},
		{"1: before an own earlier answer", latest(1), cairn.PinFacts{Now: ptr(v(4, 1)), Made: []cairn.AssetVersion{v(4, 1)}, Pins: []cairn.PinnedVersion{pin(1, 70, "train", 2)}}, "4", "made in this attempt"},
		{"1: before an earlier attempt's answer", latest(2), cairn.PinFacts{Now: ptr(v(4, 2)), Made: []cairn.AssetVersion{v(3, 1), v(4, 2)}, Pins: []cairn.PinnedVersion{pin(1, 60, "train", 3)}}, "4", "made in this attempt"},
		{"1: what is archived does not count", latest(1), cairn.PinFacts{Now: ptr(v(3, 0)), Made: []cairn.AssetVersion{archived}}, "3", ""},
		{"2: own answer again", latest(1), cairn.PinFacts{Now: ptr(v(5, 0)), Pins: []cairn.PinnedVersion{pin(1, 60, "eval", 4), pin(1, 70, "train", 3)}}, "3", ""},
		{"2: another job's answer of this attempt does not bind", latest(1), cairn.PinFacts{Now: ptr(v(5, 0)), Pins: []cairn.PinnedVersion{pin(1, 60, "eval", 4)}}, "5", ""},
		{"2: the first attempt's", latest(2), cairn.PinFacts{Now: ptr(v(5, 0)), Pins: []cairn.PinnedVersion{pin(1, 60, "train", 3)}}, "3", "kept from attempt 1"},
		{"2: that of the same job", latest(2), cairn.PinFacts{Now: ptr(v(5, 0)), Pins: []cairn.PinnedVersion{pin(1, 50, "prepare", 2), pin(1, 60, "train", 3), pin(1, 65, "eval", 4)}}, "3", "kept from attempt 1"},
		{"2: the same job's of an older attempt before others' of a newer", latest(3), cairn.PinFacts{Now: ptr(v(5, 0)), Pins: []cairn.PinnedVersion{pin(1, 60, "train", 3), pin(2, 65, "eval", 4)}}, "3", "kept from attempt 1"},
		{"2: the newest of the same job", latest(3), cairn.PinFacts{Now: ptr(v(5, 0)), Pins: []cairn.PinnedVersion{pin(1, 60, "train", 3), pin(2, 65, "train", 4)}}, "4", "kept from attempt 2"},
		{"2: a job that did not ask before takes the first answer of the newest attempt", latest(3), cairn.PinFacts{Now: ptr(v(6, 0)), Pins: []cairn.PinnedVersion{pin(1, 50, "a", 2), pin(2, 60, "b", 3), pin(2, 61, "c", 4)}}, "3", "kept from attempt 2"},
		{"2: before what the run made earlier", latest(2), cairn.PinFacts{Now: ptr(v(4, 1)), Made: []cairn.AssetVersion{v(4, 1)}, Pins: []cairn.PinnedVersion{pin(1, 60, "train", 3)}}, "3", "kept from attempt 1"},
		{"2: deleted since", latest(2), cairn.PinFacts{Now: ptr(v(5, 0)), Pins: []cairn.PinnedVersion{gone(pin(1, 60, "train", 3))}}, "", ""},
		{"2: not with refresh", refresh(2), cairn.PinFacts{Now: ptr(v(5, 0)), Pins: []cairn.PinnedVersion{pin(1, 60, "train", 3)}}, "5", ""},
		{"2: own answer with refresh", refresh(2), cairn.PinFacts{Now: ptr(v(6, 0)), Pins: []cairn.PinnedVersion{pin(1, 60, "train", 3), pin(2, 70, "train", 5)}}, "5", ""},
		{"3: made by an earlier attempt", latest(2), cairn.PinFacts{Now: ptr(v(5, 0)), Made: []cairn.AssetVersion{v(3, 1), v(4, 1)}}, "4", "made in attempt 1"},
		{"3: with refresh too", refresh(2), cairn.PinFacts{Now: ptr(v(5, 0)), Made: []cairn.AssetVersion{v(4, 1)}, Pins: []cairn.PinnedVersion{pin(1, 60, "train", 3)}}, "4", "made in attempt 1"},
		{"label: workspace", champion(1), cairn.PinFacts{Now: ptr(v(3, 0)), Made: []cairn.AssetVersion{v(4, 1)}, LabelRun: 6, LabelAttempt: 1}, "3", ""},
		{"label: moved in this attempt", champion(2), cairn.PinFacts{Now: ptr(v(4, 2)), LabelRun: 7, LabelAttempt: 2, Pins: []cairn.PinnedVersion{pin(1, 60, "train", 3)}}, "4", "label moved in this attempt"},
		{"label: moved by another run", champion(2), cairn.PinFacts{Now: ptr(v(4, 0)), LabelRun: 8, LabelAttempt: 2, Pins: []cairn.PinnedVersion{pin(1, 60, "train", 3)}}, "3", "kept from attempt 1"},
		{"label: not set", champion(1), cairn.PinFacts{Made: []cairn.AssetVersion{v(4, 1)}}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, why, err := choose(c.ask, c.f)
			if c.want == "" {
				if cairn.CodeOf(err) != cairn.CodeNotFound {
					t.Fatalf("got %s, %v", got.Version, err)
				}
				return
			}
			if err != nil || got.Version != c.want || why != c.why {
				t.Errorf("got %s (%q), %v; want %s (%q)", got.Version, why, err, c.want, c.why)
			}
		})
	}
}

// Whatever is known: the same facts give the same answer, it is one of those
// known, and asking again right after changes nothing.
func TestChooseIsStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		attempt := rapid.IntRange(1, 3).Draw(t, "attempt")
		ask := cairn.PinAsk{Run: 7, Attempt: attempt, Job: 70, Path: "train", Asked: "data/digits@latest", Label: Latest, Refresh: rapid.Bool().Draw(t, "refresh")}
		var f cairn.PinFacts
		for range rapid.IntRange(0, 3).Draw(t, "made") {
			f.Made = append(f.Made, v(int64(len(f.Made)+1), rapid.IntRange(1, attempt).Draw(t, "in")))
		}
		for a := 1; a < attempt; a++ {
			for range rapid.IntRange(0, 2).Draw(t, "pins") {
				f.Pins = append(f.Pins, pin(a, cairn.JobID(len(f.Pins)), rapid.SampledFrom([]string{"train", "eval"}).Draw(t, "path"), rapid.Int64Range(1, 9).Draw(t, "n")))
			}
		}
		f.Now = ptr(v(9, 0))
		got, _, err := choose(ask, f)
		if err != nil {
			t.Fatal(err)
		}
		f.Pins = append(f.Pins, cairn.PinnedVersion{Pin: cairn.Pin{Run: 7, Attempt: attempt, Job: 70}, Path: "train", Asset: got})
		f.Now = ptr(v(8, 0)) // moves on
		again, _, err := choose(ask, f)
		if err != nil || again.Version != got.Version {
			t.Fatalf("%s, then %s, %v", got.Version, again.Version, err)
		}
	})
}

func TestParseReference(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind        cairn.AssetKind
		asked, want string
		code        cairn.Code
	}{
		{"", "data/digits:3", "data/digits:3", ""}, {"", "data/digits@latest", "data/digits@latest", ""}, {"", "data/digits", "data/digits@latest", ""},
		{"data", "digits:3", "data/digits:3", ""}, {"data", "digits", "data/digits@latest", ""}, {"data", " digits:3\n", "data/digits:3", ""},
		{"data", "azureml:digits:3", "data/digits:3", ""}, {"data", "azureml:digits@latest", "data/digits@latest", ""},
		{"", "models:/my model/3", "model/my model:3", ""}, {"", "models:/m@champion", "model/m@champion", ""}, {"", "models:/m/latest", "model/m@latest", ""},
		{"model", "a@b:1", "model/a@b:1", ""}, {"model", "a@b@c", "model/a@b@c", ""}, {"environment", "job-1_x.y:2024-01-02", "environment/job-1_x.y:2024-01-02", ""},
		{"", "digits:3", "", cairn.CodeInvalid}, {"model", "data/digits:3", "", cairn.CodeInvalid}, {"", "image/x:1", "", cairn.CodeInvalid},
		{"data", "", "", cairn.CodeInvalid}, {"data", ":3", "", cairn.CodeInvalid}, {"data", "digits:", "", cairn.CodeInvalid}, {"data", "digits@", "", cairn.CodeInvalid},
		{"data", "digits:latest", "", cairn.CodeInvalid}, {"data", "a b:1", "", cairn.CodeInvalid}, {"data", "digits:a b", "", cairn.CodeInvalid},
		{"data", "azureml://x/y", "", cairn.CodeInvalid}, {"data", "azureml://datastores/d/paths/p", "", cairn.CodeInvalid},
		{"data", "azureml:/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/data/digits/versions/3", "data/digits:3", ""},
		{"", "/subscriptions/s/resourcegroups/g/providers/microsoft.machinelearningservices/workspaces/w/models/net/versions/1", "model/net:1", ""},
		{"", "azureml://registries/team/models/net/versions/2", "model/team/net:2", ""}, {"", "azureml://registries/team/environments/e/labels/latest", "environment/team/e@latest", ""},
		{"", "azureml://subscriptions/s/resourcegroups/g/workspaces/w/components/c/labels/default", "component/c@default", ""},
		{"data", "team/digits:3", "", cairn.CodeInvalid}, {"", "data/team/digits:3", "data/team/digits:3", ""}, {"", "data/a/b/c:3", "", cairn.CodeInvalid}, {"", "data/../x:1", "", cairn.CodeInvalid},
		{"model", "azureml://registries/team/data/digits/versions/2", "", cairn.CodeInvalid}, {"data", strings.Repeat("a", 700), "", cairn.CodeInvalid}, {"data", "a\xff", "", cairn.CodeInvalid},
	} {
		r, err := ParseReference(c.kind, c.asked)
		if cairn.CodeOf(err) != c.code || err == nil && r.String() != c.want {
			t.Errorf("%s %q: %s, %v; want %s %s", c.kind, c.asked, r, err, c.want, c.code)
		}
		if err != nil && cairn.AsError(err).Hint == "" && c.asked != "" && len(c.asked) < 600 && c.asked != "a\xff" && c.asked[:1] != "m" && c.kind != "model" {
			t.Errorf("%q: no hint", c.asked)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind cairn.AssetKind
		name string
		ok   bool
	}{
		{"data", "digits", true}, {"data", "0a_.-", true}, {"data", "_a", false}, {"data", "a b", false}, {"data", "", false}, {"data", "a/b", false},
		{"data", strings.Repeat("a", 255), true}, {"data", strings.Repeat("a", 256), false}, {"data", "ü", false},
		{"model", "my model (v2) ü@x", true}, {"model", "a/b", false}, {"model", "a:b", false}, {"model", "a\nb", false}, {"model", " a", false}, {"model", "..", false},
		{"image", "a", false},
	} {
		if err := CheckName(c.kind, c.name); (err == nil) != c.ok {
			t.Errorf("%s %.20q: %v", c.kind, c.name, err)
		}
	}
	for l, ok := range map[string]bool{"champion": true, "a-b_c.d": true, "latest": false, "Latest": false, "3": false, "v3": false, "v3a": true, "": false, "a b": false} {
		if err := checkLabel(l); (err == nil) != ok {
			t.Errorf("label %q: %v", l, err)
		}
	}
}

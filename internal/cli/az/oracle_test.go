package az

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// answer is what one call came to.
type answer struct {
	Code int    `json:"code"`
	Out  string `json:"out"`
	Err  string `json:"err"`
}

// offlineCalls are calls that the original answers without a service, in the order in which
// both sides get them: some change the configuration.
func offlineCalls() [][]string {
	var out [][]string
	add := func(lines ...string) {
		for _, l := range lines {
			out = append(out, strings.Split(l, "|"))
		}
	}
	formats := []string{"json", "jsonc", "yaml", "yamlc", "table", "tsv", "none"}
	reads := []string{"cloud|list", "cloud|show", "cloud|show|-n|AzureUSGovernment", "configure|-l", "configure|--list-defaults|true", "config|get", "config|get|defaults",
		"config|get|defaults.group", "config|get|nothing"}
	queries := []string{"name", "[].name", "[0]", "[0].name", "[?name=='group'].value", "[].{n:name,v:value}", "[].[name,value]", "length(@)", "keys(@)", "nope", "[].nope", "@", "[*].name | [0]",
		"defaults", "defaults[0].value", "endpoints.portal", "endpoints", "[].endpoints.portal", "[?isActive].name", "[?isActive].name | [0]", "[].{active:isActive,name:name}", "sort_by(@,&name)[].name",
		"max_by(@,&name).name", "to_string(@)", "[]", "[][]", "`1`", "'text'", "`[1,2]`", "isActive", "[].isActive", "value", "join(', ',[].name)", "not_null(nope,name)", "reverse([].name)", "[-1].name", "[::2].name"}
	add("configure|--defaults|group=g1|workspace=w1", "config|set|core.display=yes|defaults.location=somewhere")
	for _, r := range reads {
		add(r)
		for _, f := range formats {
			add(r + "|-o|" + f)
		}
	}
	for _, q := range queries {
		for i, r := range []string{"cloud|list", "configure|-l", "cloud|show", "config|get"} {
			add(r+"|--query|"+q, r+"|--query|"+q+"|-o|"+formats[(i+len(q))%len(formats)])
		}
	}
	// What cannot be read.
	add("cloud", "cloud|lst", "nonsense", "cloud|show|x", "cloud|show|--name", "cloud|show|-n", "cloud|show|--na|AzureCloud|--query|name", "cloud|show|-nAzureCloud|--query|name",
		"cloud|show|-n=AzureCloud|--query=name|-o=tsv", "cloud|show|--name=AzureCloud|-otsv|--query=name", "cloud|set", "cloud|set|--name|Nope", "cloud|set|-n|AzureCloud", "cloud|show|-o|bad",
		"cloud|show|-o", "cloud|show|--query", "cloud|show|--query|[?", "cloud|show|--query|", "cloud|show|--o|json", "cloud|show|-o|JSON|--query|name", "cloud|show|--|x", "cloud|show|extra1|extra2|--bar|1",
		"cloud|--foo", "-o|json|cloud|show", "account|lsit", "account", "account|set", "account|set|--subscription", "account|set|-s", "account|show|--foo", "account|show|-x", "account|list|--foo|--bar",
		"account|list|extra", "login|-u", "login|--foo", "login|--service-principal|-u|a", "login|--username", "logout|--foo", "config", "config|set", "config|set|x", "config|set|a=b", "config|set|a.b",
		"config|get|zz.y", "config|unset", "config|unset|core.display", "config|get|core", "config|set|core.x=1|core.y=2", "config|get|core", "config|get|core.x", "configure|--defaults|x", "configure|--defaults",
		"configure|--list-defaults|nah", "configure|-d|workspace=", "configure|-l", "configure|-l|-o|table", "configure|--defaults|group=", "configure|-l", "group", "group|crate", "group|create|-n", "group|create|--name",
		"group|create|-l", "group|show", "group|show|--foo|1", "group|show|-n", "group|exists", "extension", "extension|lst", "extension|add", "extension|show", "extension|remove", "extension|update",
		"extension|remove|-n|nothing", "extension|show|-n|nothing", "extension|show|--name|nothing", "account|get-access-token|--scope", "account|get-access-token|--foo", "account|clear|--foo", "version|--foo",
		"version|x", "ad|sp|create-for-rbac|--foo", "ad|sp|create-for-rbac|--scopes", "ad|sp|create-for-rbac|--role", "ad|sp", "ad|sp|creat-for-rbac")
	return out
}

// apart are calls on which the two are not to agree, and why.
func apart(args []string) string {
	line := strings.Join(args, " ")
	switch {
	case strings.HasPrefix(line, "account list") && !strings.Contains(line, "--") && !strings.Contains(line, "extra"):
		return "nobody has to log in here"
	case line == "account get-access-token --scope":
		return "nobody has to log in here"
	case args[0] == "-o":
		return "an option before the command is not a command"
	}
	return ""
}

// TestOracle compares what needs no service with azure-cli.
func TestOracle(t *testing.T) {
	if os.Getenv("CAIRN_TEST_AZ") != "1" {
		t.Skip("set CAIRN_TEST_AZ=1, or make test-az, to compare with azure-cli")
	}
	python, err := exec.Command("../../../scripts/python-with.sh", "azure-cli", "azure-cli=="+cliVersion).Output()
	if err != nil {
		t.Fatal(err)
	}
	calls := offlineCalls()
	var in bytes.Buffer
	for _, c := range calls {
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(b, '\n'))
	}
	theirs := t.TempDir()
	cmd := exec.Command(strings.TrimSpace(string(python)), "testdata/oracle.py")
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	cmd.Env = append(os.Environ(), "AZURE_CONFIG_DIR="+theirs)
	said, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	ours := t.TempDir()
	agreed, different := 0, 0
	lines := bufio.NewScanner(bytes.NewReader(said))
	lines.Buffer(nil, 16<<20)
	for _, c := range calls {
		if !lines.Scan() {
			t.Fatal("the original answered less than it was asked")
		}
		var want answer
		if err := json.Unmarshal(lines.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		got := call1(t, ours, c)
		got.Out = strings.ReplaceAll(got.Out, ours, "DIR")
		got.Err, want.Err = strings.ReplaceAll(got.Err, ours, "DIR"), strings.ReplaceAll(want.Err, theirs, "DIR")
		want.Out = strings.ReplaceAll(want.Out, theirs, "DIR")
		same := got.Code == want.Code && got.Out == want.Out && firstError(got.Err) == firstError(want.Err)
		switch why := apart(c); {
		case same:
			agreed++
		case why != "":
		default:
			if different++; different <= 40 {
				t.Errorf("az %s\ncode %d, want %d\n%q\nwant\n%q\nerror %q, want %q", strings.Join(c, " "), got.Code, want.Code, clip(got.Out), clip(want.Out), firstError(got.Err), firstError(want.Err))
			}
		}
	}
	t.Logf("%d calls, %d the same, %d not", len(calls), agreed, different)
}

func clip(s string) string {
	if len(s) > 1500 {
		return s[:1500] + "…"
	}
	return s
}

// firstError is the line that says what is wrong: what stands behind it is help.
func firstError(s string) string {
	for l := range strings.Lines(s) {
		if strings.HasPrefix(l, "ERROR: ") {
			return strings.TrimSpace(l)
		}
	}
	return ""
}

// call1 runs one call with a configuration folder of its own.
func call1(t *testing.T, dir string, args []string) answer {
	t.Helper()
	var out, errs bytes.Buffer
	k := testKit(t, &out, &errs, map[string]string{"AZURE_CONFIG_DIR": dir, "HOME": filepath.Dir(dir)})
	code := Main(t.Context(), k, args, nil, &Tools{})
	return answer{code, out.String(), errs.String()}
}

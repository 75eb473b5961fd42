// Package apicmd is cairn api: a request to the owner as it is typed.
package apicmd

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/spf13/cobra"
)

// maxBody bounds a request; big things go through data create.
const maxBody = 16 << 20

// New makes the command.
func New(k *kit.Kit) *cobra.Command {
	var method, input string
	var fields []string
	cmd := &cobra.Command{
		Use:   "api PATH",
		Short: "Send a request to the server and print the answer",
		Long: `Send a request to the server and print the answer. PATH is below /api/v1; the description
of all of it is at /api/v1/openapi.json.`,
		Example: `cairn api /status
cairn api /runs?limit=5 --jq '.[].id'
cairn api /runs/42/cancel --method POST --field force=false
cairn api /assets/labels --method PUT --input label.json`,
		Args: kit.Args(1, 1, "PATH"),
	}
	f := cmd.Flags()
	f.StringVarP(&method, "method", "X", "", "`method` (default: GET, with a body POST)")
	f.StringArrayVarP(&fields, "field", "f", nil, "a field of the JSON body, `NAME=VALUE`; true, 3, [..] and {..} keep their type")
	f.StringVar(&input, "input", "", "send this `file` as the body (- for standard input)")
	out := k.JSONFlags(cmd, nil)
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if err := kit.Exclusive(c, "field", "input"); err != nil {
			return err
		}
		body, err := readBody(k, fields, input)
		if err != nil {
			return err
		}
		if method == "" {
			method = "GET"
			if body != nil {
				method = "POST"
			}
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		r, err := cl.Raw(c.Context(), strings.ToUpper(method), args[0], body)
		if err != nil {
			return err
		}
		defer r.Close()
		if !out.On() {
			if _, err := io.Copy(k.Term.Out, r); err != nil {
				return cairn.Errorf(cairn.CodeUnavailable, "the answer was cut: %w", err)
			}
			return nil
		}
		b, err := io.ReadAll(r)
		if err != nil {
			return cairn.Errorf(cairn.CodeUnavailable, "the answer was cut: %w", err)
		}
		if len(bytes.TrimSpace(b)) == 0 {
			return nil
		}
		if !json.Valid(b) {
			return cairn.Errorf(cairn.CodeFailed, "the answer is not JSON").WithHint("leave out --json and --jq")
		}
		return out.Write(json.RawMessage(b))
	}
	return cmd
}

func readBody(k *kit.Kit, fields []string, input string) ([]byte, error) {
	switch {
	case input == "-":
		b, err := io.ReadAll(io.LimitReader(k.Term.In, maxBody+1))
		if err == nil && len(b) > maxBody {
			err = cairn.Errorf(cairn.CodeTooLarge, "the body is longer than %d bytes", maxBody)
		}
		return b, err
	case input != "":
		return k.ReadFile(input, maxBody)
	case len(fields) == 0:
		return nil, nil
	}
	given, err := kit.Pairs("field", fields)
	if err != nil {
		return nil, err
	}
	obj := make(map[string]any, len(given))
	for name, value := range given {
		obj[name] = value
		var typed any
		if json.Unmarshal([]byte(value), &typed) == nil {
			obj[name] = json.RawMessage(value)
		}
	}
	return json.Marshal(obj)
}

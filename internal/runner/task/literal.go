package task

import (
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// checkLiteral holds the text of a literal output against its type.
func checkLiteral(o *cairn.TaskOutput, text string) error {
	ok := true
	switch o.Type {
	case "integer":
		_, err := strconv.ParseInt(text, 10, 64)
		ok = err == nil
	case "number":
		_, err := strconv.ParseFloat(text, 64)
		ok = err == nil
	case "boolean":
		ok = strings.EqualFold(text, "true") || strings.EqualFold(text, "false") || text == "0" || text == "1"
	}
	if ok {
		return nil
	}
	if len(text) > 80 {
		text = strings.ToValidUTF8(text[:80], "") + "…"
	}
	return cairn.Errorf(cairn.CodeFailed, "output %s is of type %s, and the command wrote %q", o.Name, o.Type, text)
}

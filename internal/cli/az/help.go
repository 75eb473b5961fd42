package az

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// writeGroup lists what stands below a group, as the original's help does.
func writeGroup(w io.Writer, t *table, path string) error {
	var b strings.Builder
	name := strings.TrimSpace("az " + path)
	fmt.Fprintf(&b, "\nGroup\n    %s", name)
	if s := t.groups[path]; s != "" {
		fmt.Fprintf(&b, " : %s", s)
	}
	b.WriteString("\n")
	var groups, cmds [][2]string
	for _, word := range t.below(path) {
		full := strings.TrimSpace(path + " " + word)
		if c := t.commands[full]; c != nil {
			cmds = append(cmds, [2]string{word, c.short})
		} else {
			groups = append(groups, [2]string{word, t.groups[full]})
		}
	}
	list := func(title string, rows [][2]string) {
		if len(rows) == 0 {
			return
		}
		wide := 0
		for _, r := range rows {
			wide = max(wide, len(r[0]))
		}
		fmt.Fprintf(&b, "\n%s:\n", title)
		for _, r := range rows {
			fmt.Fprintf(&b, "    %-*s : %s\n", wide, r[0], r[1])
		}
	}
	list("Subgroups", groups)
	list("Commands", cmds)
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// writeCommand shows a command and its arguments.
func writeCommand(w io.Writer, c *command) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\nCommand\n    az %s : %s\n", c.path, c.short)
	list := func(title string, args []arg) {
		var names []string
		wide := 0
		sorted := slices.Clone(args)
		slices.SortStableFunc(sorted, func(a, b arg) int {
			if a.required != b.required {
				if a.required {
					return -1
				}
				return 1
			}
			return strings.Compare(a.shown(), b.shown())
		})
		for i := range sorted {
			a := &sorted[i]
			name := strings.Join(a.flags, " ")
			if name == "" {
				name = "<" + strings.ToUpper(a.dest) + ">"
			}
			if a.required {
				name += " [Required]"
			}
			names = append(names, name)
			wide = max(wide, len(name))
		}
		fmt.Fprintf(&b, "\n%s\n", title)
		for i := range sorted {
			a := &sorted[i]
			fmt.Fprintf(&b, "    %-*s : %s", wide, names[i], a.help)
			if len(a.choices) > 0 {
				fmt.Fprintf(&b, "  Allowed values: %s.", strings.Join(a.choices, ", "))
			}
			if a.def != "" {
				fmt.Fprintf(&b, "  Default: %s.", a.def)
			}
			if a.config != "" {
				fmt.Fprintf(&b, "  You can configure the default using `az configure --defaults %s=<value>`.", a.config)
			}
			b.WriteString("\n")
		}
	}
	if len(c.args) > 0 {
		list("Arguments", c.args)
	}
	list("Global Arguments", globals())
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

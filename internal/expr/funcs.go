package expr

import (
	"strconv"
	"strings"
)

// Func is a function that the caller supplies: the status functions, hashFiles.
// Names are given in lower case.
type Func func(args []Value) (Value, error)

// Signature is the name of a function and how many arguments it takes.
type Signature struct {
	Name     string
	Min, Max int
}

// maxArgs is the most arguments that any function takes.
const maxArgs = 255

// maxResult bounds the text that one expression may build.
const maxResult = 10 << 20

// statusNames are the functions that make a condition speak about earlier jobs
// or steps.
var statusNames = [...]string{"success", "failure", "always", "cancelled"}

// builtin is a function of the language itself.
type builtin struct {
	sig Signature
	// call is nil for case and format, which evaluate only what they need.
	call func(args []Value) (Value, error)
	// second reports whether the second argument matters once the first is known;
	// nil for always. What does not matter is not evaluated, so it cannot fail.
	second func(first Value) bool
}

var builtins = [...]builtin{
	{Signature{"case", 3, maxArgs}, nil, nil},
	{Signature{"contains", 2, 2}, contains, func(v Value) bool { return v.Primitive() || v.kind == KindArray && v.Len() > 0 }},
	{Signature{"endsWith", 2, 2}, endsWith, Value.Primitive},
	{Signature{"format", 1, maxArgs}, nil, nil},
	{Signature{"fromJSON", 1, 1}, fromJSON, nil},
	{Signature{"join", 1, 2}, join, func(v Value) bool { return v.kind == KindArray && v.Len() > 1 }},
	{Signature{"startsWith", 2, 2}, startsWith, Value.Primitive},
	{Signature{"toJSON", 1, 1}, toJSON, nil},
}

func lookupBuiltin(lower string) *builtin {
	for i := range builtins {
		if b := &builtins[i]; len(b.sig.Name) == len(lower) && strings.EqualFold(b.sig.Name, lower) {
			return b
		}
	}
	return nil
}

func checkArity(n *Node, sig Signature) error {
	switch {
	case len(n.args) < sig.Min:
		return errorAt(Parsing, n.off, n.end, "too few arguments for %s: %d given", sig.Name, len(n.args)).
			hint("%s takes %s", sig.Name, arity(sig)).standardAt("Too few parameters supplied", n.name)
	case len(n.args) > sig.Max:
		return errorAt(Parsing, n.off, n.end, "too many arguments for %s: %d given", sig.Name, len(n.args)).
			hint("%s takes %s", sig.Name, arity(sig)).standardAt("Too many parameters supplied", n.name)
	case n.lower == "case" && len(n.args)%2 == 0:
		return errorAt(Parsing, n.off, n.end, "case takes an odd number of arguments: %d given", len(n.args)).
			hint("case(condition, value, condition, value, …, otherwise)").
			standardAt("Even number of parameters supplied, requires an odd number of parameters", n.name)
	}
	return nil
}

func arity(sig Signature) string {
	switch {
	case sig.Max == 0:
		return "no arguments"
	case sig.Min == sig.Max && sig.Min == 1:
		return "1 argument"
	case sig.Min == sig.Max:
		return FormatNumber(float64(sig.Min)) + " arguments"
	case sig.Max == maxArgs && sig.Min == 1:
		return "at least 1 argument"
	case sig.Max == maxArgs:
		return "at least " + FormatNumber(float64(sig.Min)) + " arguments"
	default:
		return FormatNumber(float64(sig.Min)) + " or " + FormatNumber(float64(sig.Max)) + " arguments"
	}
}

func evalError(message, hint string) *Error {
	return &Error{Kind: Evaluation, Message: message, Hint: hint}
}

func contains(args []Value) (Value, error) {
	in, item := args[0], args[1]
	if in.Primitive() {
		return Bool(item.Primitive() && strings.Contains(upperString(in.ToString()), upperString(item.ToString()))), nil
	}
	if in.kind == KindArray {
		for _, v := range in.ref.items {
			if Equal(item, v) {
				return Bool(true), nil
			}
		}
	}
	return Bool(false), nil
}

func startsWith(args []Value) (Value, error) {
	return Bool(args[0].Primitive() && args[1].Primitive() &&
		strings.HasPrefix(upperString(args[0].ToString()), upperString(args[1].ToString()))), nil
}

func endsWith(args []Value) (Value, error) {
	return Bool(args[0].Primitive() && args[1].Primitive() &&
		strings.HasSuffix(upperString(args[0].ToString()), upperString(args[1].ToString()))), nil
}

func join(args []Value) (Value, error) {
	if args[0].Primitive() {
		return String(args[0].ToString()), nil
	}
	if args[0].kind != KindArray {
		return String(""), nil
	}
	separator := ","
	if len(args) > 1 && args[1].Primitive() {
		separator = args[1].ToString()
	}
	var b strings.Builder
	for i, v := range args[0].ref.items {
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(v.ToString())
		if b.Len() > maxResult {
			return Value{}, tooLarge("join")
		}
	}
	return String(b.String()), nil
}

func toJSON(args []Value) (Value, error) {
	b := args[0].appendJSON(nil, 0, maxResult)
	if len(b) > maxResult {
		return Value{}, tooLarge("toJSON")
	}
	return String(string(b)), nil
}

func fromJSON(args []Value) (Value, error) {
	src := args[0].ToString()
	if strings.TrimSpace(src) == "" {
		return Value{}, evalError("fromJSON was given an empty text", "a JSON value was expected; give a default: fromJSON(… || '[]')").
			standard("empty input")
	}
	v, err := FromJSON([]byte(src))
	if err != nil {
		return Value{}, evalError("fromJSON was given text that is not JSON: "+show(strings.TrimSpace(src)), err.Error()).
			standard("Error parsing JSON when evaluating fromJson")
	}
	return v, nil
}

// format replaces {0}, {1} … by its further arguments, of which it evaluates
// those that are named; {{ and }} are braces.
func (n *Node) format(env *Env) (Value, error) {
	first, err := n.args[0].Eval(env)
	if err != nil {
		return Value{}, err
	}
	src := first.ToString()
	pieces, err := formatPieces(src, len(n.args)-1)
	if err != nil {
		return Value{}, n.placed(err)
	}
	known := make([]*Value, len(n.args))
	var b strings.Builder
	for _, p := range pieces {
		if p.arg == 0 {
			b.WriteString(p.text)
		} else {
			if known[p.arg] == nil {
				v, err := n.args[p.arg].Eval(env)
				if err != nil {
					return Value{}, err
				}
				known[p.arg] = &v
			}
			if v := known[p.arg]; p.text != "" {
				return Value{}, n.placed(evalError("the format string "+show(src)+" asks for the format "+show(p.text), "there are no formats: write {0}").
					standard("The format specifiers '" + p.text + "' are not valid for objects of type '" + v.kind.String() + "'"))
			}
			b.WriteString(known[p.arg].ToString())
		}
		if b.Len() > maxResult {
			return Value{}, n.placed(tooLarge("format"))
		}
	}
	return String(b.String()), nil
}

// piece is plain text of a format string, or {arg-1:text}.
type piece struct {
	text string
	arg  int
}

func formatPieces(src string, given int) ([]piece, error) {
	invalid := func() error {
		return evalError("the format string "+show(src)+" is not valid", "write {0}, {1}, …, and {{ or }} for a brace itself").
			standard("The following format string is invalid: " + src)
	}
	var out []piece
	for rest := src; rest != ""; {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			return append(out, piece{text: rest}), nil
		}
		brace := rest[i]
		if strings.HasPrefix(rest[i+1:], string(brace)) {
			out, rest = append(out, piece{text: rest[:i+1]}), rest[i+2:]
			continue
		}
		if i > 0 {
			out = append(out, piece{text: rest[:i]})
		}
		rest = rest[i+1:]
		digits := 0
		for digits < len(rest) && '0' <= rest[digits] && rest[digits] <= '9' {
			digits++
		}
		if brace == '}' || digits == 0 {
			return nil, invalid()
		}
		spec, length, ok := formatSpec(rest[digits:])
		if !ok {
			return nil, invalid()
		}
		arg, err := strconv.Atoi(rest[:digits])
		if err != nil || arg >= given {
			return nil, evalError("the format string "+show(src)+" names {"+rest[:digits]+"}, but "+
				FormatNumber(float64(given))+" values were given", "values count from {0}").
				standard("The following format string references more arguments than were supplied: " + src)
		}
		out, rest = append(out, piece{spec, arg + 1}), rest[digits+length:]
	}
	return out, nil
}

// formatSpec reads what follows the number: } or :text}, where }} is a brace.
func formatSpec(s string) (spec string, length int, ok bool) {
	if strings.HasPrefix(s, "}") {
		return "", 1, true
	}
	if !strings.HasPrefix(s, ":") {
		return "", 0, false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] == '}' {
			if i+1 == len(s) || s[i+1] != '}' {
				return b.String(), i + 1, true
			}
			i++
		}
		b.WriteByte(s[i])
	}
	return "", 0, false
}

func tooLarge(name string) *Error {
	return evalError("the result of "+name+" is larger than 10 MB", "").
		standard("The maximum allowed memory size was exceeded")
}

package expr

import (
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

// StatusFunctions are the functions that make a condition speak about earlier
// jobs or steps, as a job's condition knows them.
var statusNames = [...]string{"success", "failure", "always", "cancelled"}

// builtin is a function of the language itself.
type builtin struct {
	sig  Signature
	call func(args []Value) (Value, error)
}

// case is not among them with a call: it evaluates only what it needs.
var builtins = [...]builtin{
	{Signature{"case", 3, maxArgs}, nil},
	{Signature{"contains", 2, 2}, contains},
	{Signature{"endsWith", 2, 2}, endsWith},
	{Signature{"format", 1, maxArgs}, format},
	{Signature{"fromJSON", 1, 1}, fromJSON},
	{Signature{"join", 1, 2}, join},
	{Signature{"startsWith", 2, 2}, startsWith},
	{Signature{"toJSON", 1, 1}, toJSON},
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
			hint("%s takes %s", sig.Name, arity(sig))
	case len(n.args) > sig.Max:
		return errorAt(Parsing, n.off, n.end, "too many arguments for %s: %d given", sig.Name, len(n.args)).
			hint("%s takes %s", sig.Name, arity(sig))
	case n.lower == "case" && len(n.args)%2 == 0:
		return errorAt(Parsing, n.off, n.end, "case takes an odd number of arguments: %d given", len(n.args)).
			hint("case(condition, value, condition, value, …, otherwise)")
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

func evalError(message, hint string) error {
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
	b := args[0].Indented()
	if len(b) > maxResult {
		return Value{}, tooLarge("toJSON")
	}
	return String(string(b)), nil
}

func fromJSON(args []Value) (Value, error) {
	src := args[0].ToString()
	if strings.TrimSpace(src) == "" {
		return Value{}, evalError("fromJSON was given an empty text", "a JSON value was expected; give a default: fromJSON(… || '[]')")
	}
	v, err := FromJSON([]byte(src))
	if err != nil {
		return Value{}, evalError("fromJSON was given text that is not JSON: "+show(strings.TrimSpace(src)), err.Error())
	}
	return v, nil
}

// format replaces {0}, {1} … by its further arguments; {{ and }} are braces.
func format(args []Value) (Value, error) {
	src := args[0].ToString()
	var b strings.Builder
	for rest := src; rest != ""; {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			b.WriteString(rest)
			break
		}
		b.WriteString(rest[:i])
		brace := rest[i]
		rest = rest[i+1:]
		if rest != "" && rest[0] == brace {
			b.WriteByte(brace)
			rest = rest[1:]
			continue
		}
		n, digits := 0, 0
		for digits < len(rest) && '0' <= rest[digits] && rest[digits] <= '9' && digits < 4 {
			n = n*10 + int(rest[digits]-'0')
			digits++
		}
		if brace == '}' || digits == 0 || digits == len(rest) || rest[digits] != '}' {
			return Value{}, evalError("the format string "+show(src)+" is not valid", "write {0}, {1}, …, and {{ or }} for a brace itself")
		}
		if n+1 >= len(args) {
			return Value{}, evalError("the format string "+show(src)+" names {"+rest[:digits]+"}, but "+
				FormatNumber(float64(len(args)-1))+" values were given", "values count from {0}")
		}
		b.WriteString(args[n+1].ToString())
		rest = rest[digits+1:]
		if b.Len() > maxResult {
			return Value{}, tooLarge("format")
		}
	}
	return String(b.String()), nil
}

func tooLarge(name string) error {
	return evalError("the result of "+name+" is larger than 10 MB", "")
}

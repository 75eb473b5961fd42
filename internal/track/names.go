package track

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/cairn-ml/cairn"
)

// Run names are three parts, as MLflow's are: "brisk-heron-417".
const (
	adjectives = "able agile amber bold brisk bright calm clean clever cool crisp daring eager early fair fast fine firm fleet fond " +
		"frank fresh gentle glad grand handy hardy keen kind lively loyal lucid mellow merry mild neat nimble noble patient polite " +
		"proud quick quiet rare ready sharp smart solid steady still sunny swift tidy upbeat valiant vivid warm wise witty zesty"
	animals = "ant ape auk badger bass bat bear bee bison boar bug calf carp cat chick cod colt cow crab crane crow cub deer doe dog " +
		"dove duck eel elk falcon fawn finch fish fly fowl fox frog gnat goat goose grouse gull hare hawk hen heron horse hound jay " +
		"kite kit koi lamb lark loon lynx mare mole moose moth mouse mule newt owl ox perch pig pug quail ram rat ray robin seal " +
		"shad shark sheep shrew skunk slug snail snipe sow squid stag steed stork swan tern toad trout vole wasp whale wolf wren yak"
)

// runName makes a name for a run that its client gave none.
func (s *Service) runName() (string, error) {
	var b [4]byte
	if _, err := io.ReadFull(s.rand, b[:]); err != nil {
		return "", cairn.Errorf(cairn.CodeInternal, "no randomness: %w", err)
	}
	first, second := strings.Fields(adjectives), strings.Fields(animals)
	n := int(b[2])<<8 | int(b[3])
	return fmt.Sprintf("%s-%s-%d", first[int(b[0])%len(first)], second[int(b[1])%len(second)], n%1000), nil
}

func badInKey(r rune) bool {
	return !(r == '/' || r == '_' || r == '.' || r == '-' || r == ' ' || r == ':' || unicode.IsLetter(r) || unicode.IsNumber(r))
}

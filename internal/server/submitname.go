package server

import (
	"context"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/plan"
)

var jobNamePattern = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]*$`)

// maxJobName bounds the name of a job.
const maxJobName = 255

func checkJobName(name string) error {
	if len(name) <= maxJobName && jobNamePattern.MatchString(name) {
		if _, err := strconv.ParseInt(name, 10, 64); err != nil {
			return nil
		}
		return cairn.Errorf(cairn.CodeInvalid, "%q cannot be the name of a job: it would be taken for the number of a run", clipText(name, 100))
	}
	return cairn.Errorf(cairn.CodeInvalid, "%q is not the name of a job", clipText(name, 100)).
		WithHint("a name has 1 to 255 letters, digits, _ and -, and starts with a letter or digit")
}

// Words of the names that jobs are given.
const (
	nameAdjectives = "amber bright calm clever cool coral crisp eager fair fine frank fresh gentle glad golden good green happy honest icy ivory jolly keen kind lemon lively loyal lucky mellow modest neat nice olive patient plucky polite proud quiet quick red royal sharp shy silver sincere smart solid steady sunny sweet teal tidy upbeat vivid warm wise witty yellow young zen"
	nameNouns      = "ant apple arch basin bean bear bell bird boat book bread brook bush cart cat cloud corn crane cup deer door drum duck eel elm farm feather fern fish flag fox frog garden gate glove grape guitar hat heron hill hook island jar juice kite knot lake lamp leaf lime lion map market moon net nut oak onion owl parsnip peach pear pen pine plum pond queen rain reed rice river rock root sail seal shoe snail soup spoon star stone sun table tail tent tree vase wheat wing yam yak"
	nameLetters    = "0123456789bcdfghjklmnpqrstvwxyz"
)

// jobName makes a name as the original does: adjective_noun_ and ten letters.
func jobName(random io.Reader) (string, error) {
	var b [12]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", cairn.Errorf(cairn.CodeInternal, "no randomness: %w", err)
	}
	first, second := strings.Fields(nameAdjectives), strings.Fields(nameNouns)
	tail := make([]byte, 10)
	for i := range tail {
		tail[i] = nameLetters[int(b[i+2])%len(nameLetters)]
	}
	return first[int(b[0])%len(first)] + "_" + second[int(b[1])%len(second)] + "_" + string(tail), nil
}

// childName is the own name of a job: that of its run and its path.
func childName(root, path string) string {
	return root + "_" + strings.Map(func(r rune) rune {
		switch r {
		case '/', '[', ']', ',', ' ':
			return '_'
		}
		return r
	}, path)
}

// FindJob finds the run, and the job below it, that a name means.
func (s *Server) FindJob(ctx context.Context, name string) (*client.JobName, error) {
	if id, err := strconv.ParseInt(name, 10, 64); err == nil {
		r, err := s.store.Run(ctx, cairn.RunID(id))
		if err != nil {
			return nil, err
		}
		if r.Submitted == nil {
			return nil, cairn.Errorf(cairn.CodeNotFound, "run %d is of a workflow, not of a job's file", id).WithHint("cairn run view %d", id)
		}
		return s.onlyJob(ctx, &client.JobName{Name: r.Submitted.Name, Run: r.ID})
	}
	root, path, below := strings.Cut(name, "/")
	id, err := s.store.RunNamed(ctx, Workspace, root)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		if n, cerr := s.childNamed(ctx, name); cerr != nil || n != nil {
			return n, cerr
		}
		return nil, s.noJob(ctx, name)
	} else if err != nil {
		return nil, err
	}
	out := &client.JobName{Name: root, Run: id}
	if !below {
		return s.onlyJob(ctx, out)
	}
	return s.jobBelow(ctx, out, path)
}

// onlyJob fills in the job of a run that has one alone.
func (s *Server) onlyJob(ctx context.Context, n *client.JobName) (*client.JobName, error) {
	js, err := s.store.Jobs(ctx, n.Run, 0, false)
	if err == nil && len(js) == 1 && !strings.Contains(js[0].Path, "/") && js[0].Path == mainNode {
		n.Job = js[0].ID
	}
	return n, err
}

// mainNode is the node of a job that is not a pipeline.
const mainNode = plan.MainNode

// jobBelow finds a job of a run by its path, or by that of its node where that has
// one job alone.
func (s *Server) jobBelow(ctx context.Context, n *client.JobName, path string) (*client.JobName, error) {
	js, err := s.store.Jobs(ctx, n.Run, 0, false)
	if err != nil {
		return nil, err
	}
	var all []string
	var ofNode []cairn.Job
	for _, j := range js {
		if j.Path == path {
			n.Path, n.Job = j.Path, j.ID
			return n, nil
		}
		if j.Node == path {
			ofNode = append(ofNode, j)
		}
		all = append(all, j.Path)
	}
	if len(ofNode) == 1 {
		n.Path, n.Job = ofNode[0].Path, ofNode[0].ID
		return n, nil
	}
	e := cairn.Errorf(cairn.CodeNotFound, "job %s has nothing called %q", n.Name, clipText(path, 200))
	if near := cairn.Nearest(path, all); near != "" {
		return nil, e.WithHint("did you mean %s/%s?", n.Name, near)
	}
	if len(all) == 0 {
		return nil, e.WithHint("none of its jobs has begun")
	}
	return nil, e.WithHint("it has %s", firstOf(all))
}

// childNamed finds a job by its own name, "root_path"; nil where none is called so.
func (s *Server) childNamed(ctx context.Context, name string) (*client.JobName, error) {
	const most = 40 // underscores that are tried
	for i, tried := len(name), 0; tried < most; tried++ {
		if i = strings.LastIndexByte(name[:i], '_'); i <= 0 {
			return nil, nil
		}
		id, err := s.store.RunNamed(ctx, Workspace, name[:i])
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			continue
		} else if err != nil {
			return nil, err
		}
		js, err := s.store.Jobs(ctx, id, 0, false)
		if err != nil {
			return nil, err
		}
		for _, j := range js {
			if childName(name[:i], j.Path) == name {
				return &client.JobName{Name: name[:i], Path: j.Path, Run: id, Job: j.ID}, nil
			}
		}
	}
	return nil, nil
}

// namedJob finds the run or the job of a name; "" where none is called so.
func (s *Server) namedJob(ctx context.Context, name string) (cairn.Ref, error) {
	if !jobNamePattern.MatchString(strings.ReplaceAll(name, "/", "_")) {
		return "", nil
	}
	n, err := s.FindJob(ctx, name)
	switch {
	case cairn.CodeOf(err) == cairn.CodeNotFound:
		return "", nil
	case err != nil:
		return "", err
	case n.Job != 0:
		return cairn.JobRef(n.Job), nil
	}
	return cairn.RunRef(n.Run), nil
}

// noJob says what there is where nothing is called so.
func (s *Server) noJob(ctx context.Context, name string) error {
	e := cairn.Errorf(cairn.CodeNotFound, "there is no job %q", clipText(name, 200))
	names, err := s.store.RunNames(ctx, Workspace, 500)
	if err != nil {
		return err
	}
	root, _, _ := strings.Cut(name, "/")
	if near := cairn.Nearest(root, names); near != "" {
		return e.WithHint("did you mean %s?", near)
	}
	if len(names) == 0 {
		return e.WithHint("there is none yet: cairn job create --file FILE")
	}
	return e.WithHint("the newest are %s; cairn job list shows more", firstOf(names))
}

// firstOf lists the first of many names.
func firstOf(names []string) string {
	const most = 8
	names = slices.Compact(slices.Clone(names))
	if len(names) > most {
		return strings.Join(names[:most], ", ") + " and " + strconv.Itoa(len(names)-most) + " more"
	}
	return strings.Join(names, ", ")
}

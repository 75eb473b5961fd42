package runner

import (
	"github.com/cairn-ml/cairn"
)

// setUp prepares what all steps share. It writes the first step of the job,
// "Set up job"; when it fails, no step runs.
func (x *executor) setUp() bool {
	row := x.newRow("", "Set up job", "")
	log, err := x.openLog(row)
	if err == nil {
		err = x.prepare(log)
	}
	if err == nil {
		err = x.takeOver(log)
	}
	if err != nil {
		if log != nil {
			logError(log, err)
		}
		row.Annotations = append(row.Annotations, x.annotation(AnnotationError, err.Error()))
	}
	if log != nil {
		row.LogSize, _ = log.close()
	}
	x.conclude(row, err)
	if err != nil {
		x.fail("the job could not be set up: " + err.Error())
	}
	x.pendStep(row)
	return err == nil
}

func (x *executor) prepare(log *stepLog) error {
	if x.Spec.Schema > cairn.JobSpecSchema {
		return cairn.Errorf(cairn.CodeUnsupported, "the job has schema %d; this Cairn knows up to %d", x.Spec.Schema, cairn.JobSpecSchema)
	}
	for _, name := range x.addMasks() {
		log.line("##[warning]The secret %s has fewer than %d characters and is not hidden in logs", name, MinMask)
	}
	info := x.Machine.Info()
	log.line("Runner: %s (%s %s)", info.Name, info.OS, info.Arch)
	log.line("Job: %s, run %d, attempt %d", x.Spec.Name, x.Spec.Run, x.Spec.Attempt)
	if x.Spec.Code.Commit != "" {
		dirty := ""
		if x.Spec.Code.Dirty {
			dirty = " with uncommitted changes"
		}
		log.line("Commit: %s%s", x.Spec.Code.Commit, dirty)
	}
	if err := x.findActions(log); err != nil {
		return err
	}
	if err := x.prepareContexts(); err != nil {
		return err
	}
	if err := x.evalContainers(); err != nil {
		return err
	}
	if x.wanted.Container != nil {
		return nil // what the registry prepares is of this host: its Pythons
	}
	return x.hooks(log)
}

// hooks lets the registry do what it does for every job.
func (x *executor) hooks(log *stepLog) error {
	h, ok := x.Registry.(JobHooks)
	if !ok {
		return nil
	}
	st := &step{x: x, scope: x.top, spec: &cairn.Step{}, row: &cairn.StepRow{}, log: log, outputs: map[string]string{}}
	c := st.context(nil)
	err := protect(func() error { return h.Prepare(x.ctx, c) })
	st.out.flush()
	st.take(c)
	x.prepared = c
	return err
}

// complete does what the registry still has to do after all steps.
func (x *executor) complete() {
	if x.prepared == nil {
		return
	}
	if a, name := x.Registry.(JobHooks).Complete(x.prepared); a != nil {
		c := &call{spec: &cairn.Step{}, handler: native{a}, native: x.prepared}
		x.postAs(c, name, "")
	}
}

// addMasks hides all secrets and returns the names of those too short for it.
func (x *executor) addMasks() []string {
	var short []string
	for _, name := range sortedKeys(x.Secrets.Secrets) {
		if v := x.Secrets.Secrets[name]; v != "" && !x.masks.Add(v) {
			short = append(short, name)
		}
	}
	x.masks.Add(x.Secrets.Token)
	for _, m := range x.Secrets.Masks {
		x.masks.Add(m)
	}
	return short
}

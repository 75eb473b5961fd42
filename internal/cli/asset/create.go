package asset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

func (a *assets) newCreate() *cobra.Command {
	var n client.NewAsset
	var o fileFlags
	var tagFlags, props []string
	cmd := &cobra.Command{
		Use:   "create NAME[:VERSION] PATH",
		Short: "Register a file or a folder as a new version",
		Long: `Register a file or a folder as a new version. Bytes that are stored already are not sent
again. Inside a job the version belongs to the job, with no flag saying so.

With --file the Azure ML YAML file says name, version, type and path; flags win over it.`,
		Example: a.text(`cairn NOUN create digits ./digits
cairn NOUN create digits:2026-05 ./digits --description "May, checked" --tag team=vision
cairn NOUN create weights ./weights.bin --json=version,digest
cairn NOUN create --file NOUN.yml --set tags.team=vision`),
		Args: func(c *cobra.Command, args []string) error {
			if o.file != "" {
				return kit.Args(0, 0)(c, args)
			}
			return kit.Args(2, 2, "NAME", "PATH")(c, args)
		},
	}
	o.add(cmd)
	f := cmd.Flags()
	f.StringVar(&n.Version, "version", "", "the `version` (default: the next number)")
	f.StringVar(&n.Description, "description", "", "a `sentence` about it")
	f.StringArrayVar(&tagFlags, "tag", nil, "tag as `KEY=VALUE`, repeatable")
	f.StringArrayVar(&props, "property", nil, "property as `KEY=VALUE`, repeatable; it never changes")
	out := a.k.JSONFlags(cmd, cairn.AssetVersion{})
	cmd.RunE = func(c *cobra.Command, args []string) (err error) {
		if n.Tags, err = kit.Pairs("tag", tagFlags); err != nil {
			return err
		}
		if n.Properties, err = kit.Pairs("property", props); err != nil {
			return err
		}
		if o.file != "" {
			v, err := a.fromFile(c.Context(), &o, n)
			if err != nil {
				return err
			}
			return a.made(out, v)
		}
		if o.name != "" || len(o.set) > 0 {
			return cairn.Errorf(cairn.CodeInvalid, "--name and --set go with --file").WithHint("%s", a.text("cairn NOUN create NAME PATH"))
		}
		n.Kind = a.kind
		n.Name = a.bare(args[0])
		if name, version, ok := strings.Cut(n.Name, ":"); ok {
			if n.Version != "" && n.Version != version {
				return cairn.Errorf(cairn.CodeInvalid, "two versions are named: %s and %s", version, n.Version)
			}
			n.Name, n.Version = name, version
		}
		path := a.k.Path(args[1])
		if _, err := os.Stat(path); err != nil {
			if _, readErr := a.k.ReadFile(args[1], 0); cairn.CodeOf(readErr) == cairn.CodeNotFound {
				return readErr // with the nearest name
			}
			return cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", args[1], err)
		}
		cl, err := a.k.Client(c.Context())
		if err != nil {
			return err
		}
		if n.Type, n.Digest, err = upload(c.Context(), a.k, cl, path); err != nil {
			return err
		}
		if n.Type == typeFile {
			set(&n.Properties, "file", filepath.Base(path)) // jobs find it under its own name
		}
		v, err := cl.CreateAsset(c.Context(), n)
		if err != nil {
			return err
		}
		return a.made(out, v)
	}
	return cmd
}

// made tells of a version that was registered.
func (a *assets) made(out *kit.JSON, v *cairn.AssetVersion) error {
	if out.On() {
		return out.Write(v)
	}
	return write(a.k.Term.Out, line(v)+"\n")
}

// bigUpload is from where on it is said that bytes are on their way.
const bigUpload = 32 << 20

// upload stores a file or a folder and returns its type and digest.
func upload(ctx context.Context, k *kit.Kit, cl *kit.Client, path string) (string, cairn.Digest, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return "", "", cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", path, err)
	}
	stop := progress(ctx, k, path, fi)
	defer stop()
	if !fi.IsDir() {
		if !fi.Mode().IsRegular() {
			return "", "", cairn.Errorf(cairn.CodeInvalid, "%s is neither a file nor a folder (%s)", path, fi.Mode().Type())
		}
		d, _, err := cl.UploadFile(ctx, path)
		return typeFile, d, err
	}
	d, _, files, err := cl.UploadTree(ctx, path, nil)
	if err == nil && files == 0 {
		return "", "", cairn.Errorf(cairn.CodeInvalid, "%s holds no files", path)
	}
	return typeFolder, d, err
}

// progress says on standard error how much is being stored and how long it has
// been going, for what is big enough that people wonder.
func progress(ctx context.Context, k *kit.Kit, path string, fi fs.FileInfo) func() {
	size, files := measure(path, fi)
	if size < bigUpload {
		return func() {}
	}
	what := fmt.Sprintf("storing %s, %s", term.Count(files, "file"), term.Size(size))
	start := k.Now()
	if !k.Term.Live() {
		fmt.Fprintln(k.Term.Err, what)
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(250 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				fmt.Fprint(k.Term.Err, "\r\x1b[K")
				return
			case <-t.C:
				fmt.Fprintf(k.Term.Err, "\r\x1b[K%s  %s", what, term.Duration(k.Now().Sub(start)))
			}
		}
	}()
	return func() { cancel(); <-done }
}

// measure adds up what lies below path; what cannot be read is left to the
// upload to complain about.
func measure(path string, fi fs.FileInfo) (size, files int64) {
	if !fi.IsDir() {
		return fi.Size(), 1
	}
	_ = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			size += info.Size()
			files++
		}
		return nil
	})
	return size, files
}

func (a *assets) newDownload() *cobra.Command {
	var to string
	var force bool
	cmd := &cobra.Command{
		Use:   "download NAME[:VERSION|@LABEL]",
		Short: "Write a version's files into a folder",
		Long: `Write a version's files into a folder and print which version it was. Inside a job the use
is recorded, and latest prefers what the run made.`,
		Example: a.text(`cairn NOUN download digits --to ./digits
cairn NOUN download digits:1
version=$(cairn NOUN download digits@production --to ./in --json --jq .version)`),
		Args:              kit.Args(1, 1, "NAME"),
		ValidArgsFunction: a.complete(true),
	}
	cmd.Flags().StringVar(&to, "to", "", "the `folder` (default: one of the asset's name)")
	cmd.Flags().BoolVar(&force, "force", false, "write into a folder that is not empty; files of the same name are replaced")
	out := a.k.JSONFlags(cmd, cairn.AssetVersion{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		dir := to
		if dir == "" {
			dir = a.name(args[0])
		}
		path := a.k.Path(dir)
		if err := free(path, dir, force); err != nil {
			return err
		}
		cl, d, err := a.resolve(c.Context(), args[0])
		if err != nil {
			return err
		}
		v := &d.Version
		if err := fetch(c.Context(), cl, v.Type, v.Digest, path, v.Name); err != nil {
			return err
		}
		if out.On() {
			return out.Write(v)
		}
		return write(a.k.Term.Out, fmt.Sprintf("%s -> %s\n", line(v), dir))
	}
	return cmd
}

// free refuses a folder that holds something.
func free(path, shown string, force bool) error {
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		if fi, statErr := os.Stat(path); statErr == nil && !fi.IsDir() {
			return cairn.Errorf(cairn.CodeConflict, "%s is a file", shown).WithHint("--to names a folder")
		}
		return cairn.Errorf(cairn.CodeFailed, "cannot read %s: %w", shown, err)
	case len(entries) > 0 && !force:
		return cairn.Errorf(cairn.CodeConflict, "%s is not empty (%s)", shown, term.Count(int64(len(entries)), "entry")).
			WithHint("choose another folder with --to, or replace files of the same name with --force")
	}
	return nil
}

// fetch writes a version into a folder: a tree as it is, a single file under
// the asset's name.
func fetch(ctx context.Context, cl *kit.Client, kind string, d cairn.Digest, dir, name string) error {
	if kind != typeFile {
		return cl.DownloadTree(ctx, d, dir)
	}
	return fetchFile(ctx, cl, d, dir, filepath.Base(filepath.FromSlash(name)))
}

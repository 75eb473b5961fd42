package cli

import (
	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/access"
	"github.com/cairn-ml/cairn/internal/cli/action"
	"github.com/cairn-ml/cairn/internal/cli/apicmd"
	"github.com/cairn-ml/cairn/internal/cli/asset"
	"github.com/cairn-ml/cairn/internal/cli/azure"
	"github.com/cairn-ml/cairn/internal/cli/cache"
	"github.com/cairn-ml/cairn/internal/cli/compute"
	"github.com/cairn-ml/cairn/internal/cli/deploy"
	"github.com/cairn-ml/cairn/internal/cli/doctor"
	"github.com/cairn-ml/cairn/internal/cli/fsck"
	"github.com/cairn-ml/cairn/internal/cli/image"
	"github.com/cairn-ml/cairn/internal/cli/initcmd"
	"github.com/cairn-ml/cairn/internal/cli/job"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/logs"
	"github.com/cairn-ml/cairn/internal/cli/pr"
	"github.com/cairn-ml/cairn/internal/cli/prediction"
	"github.com/cairn-ml/cairn/internal/cli/release"
	"github.com/cairn-ml/cairn/internal/cli/repository"
	"github.com/cairn-ml/cairn/internal/cli/run"
	"github.com/cairn-ml/cairn/internal/cli/schedule"
	"github.com/cairn-ml/cairn/internal/cli/serve"
	"github.com/cairn-ml/cairn/internal/cli/status"
	"github.com/cairn-ml/cairn/internal/cli/trace"
	"github.com/cairn-ml/cairn/internal/cli/version"
	"github.com/cairn-ml/cairn/internal/cli/workflow"
	"github.com/spf13/cobra"
)

const (
	groupWork   = "work"
	groupThings = "things"
	groupPeople = "people"
	groupSystem = "system"
)

// newRoot builds the tree of commands.
func newRoot(k *kit.Kit, o Options) *cobra.Command {
	root := kit.Group(&cobra.Command{
		Use:   "cairn",
		Short: "From a commit to a model, and from any model back to the commit",
		Long: `Cairn takes a commit to a model API in production, and any prediction back to the commit.

It runs GitHub Actions workflows on this machine, keeps data and models by their
digests, takes what the mlflow client sends, and traces everything.`,
		Example: `cairn init
cairn run
cairn run --workflow mlops.yml --input data_prep=false
cairn trace model/digits:1`,
	})
	k.Install(root)
	showVersion := root.Flags().Bool("version", false, "print the version of this binary")
	help := root.RunE
	root.RunE = func(c *cobra.Command, args []string) error {
		if *showVersion && len(args) == 0 {
			v := version.New(k)
			return v.RunE(v, nil)
		}
		return help(c, args)
	}
	root.AddGroup(
		&cobra.Group{ID: groupWork, Title: "Work"},
		&cobra.Group{ID: groupThings, Title: "Things"},
		&cobra.Group{ID: groupPeople, Title: "People and settings"},
		&cobra.Group{ID: groupSystem, Title: "System"},
	)
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupWork,
		initcmd.New(k),
		run.New(k),
		job.New(k),
		schedule.New(k),
		compute.New(k),
		workflow.New(k),
		repository.New(k),
		pr.New(k),
		deploy.New(k),
		deploy.NewApprove(k),
		deploy.NewReject(k),
		deploy.NewRollback(k),
		deploy.NewStop(k),
	)
	add(groupThings,
		asset.New(k, cairn.AssetData),
		asset.New(k, cairn.AssetModel),
		asset.New(k, cairn.AssetComponent),
		asset.NewArtifact(k),
		cache.New(k),
		action.New(k),
		image.New(k, o.Image),
		release.New(k),
		prediction.New(k),
		trace.New(k),
	)
	add(groupPeople,
		access.NewSecret(k),
		access.NewVariable(k),
		access.NewUser(k),
		access.NewToken(k),
		access.NewEnvironment(k),
		access.NewOIDC(k),
	)
	add(groupSystem,
		newAz(k, o),
		azure.New(k, azure.SDK{Install: o.InstallSDK, Wheels: o.SDKWheels}),
		serve.New(k, o.Serve),
		status.New(k, o.Away),
		logs.New(k),
		doctor.New(k, o.Doctor),
		fsck.New(k),
		version.New(k),
		newCompletion(k),
		apicmd.New(k),
	)
	return root
}

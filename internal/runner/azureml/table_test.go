package azureml

import (
	"os/exec"
	"testing"
)

// TestSDKTable holds the reference and the package against each other.
func TestSDKTable(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	if out, err := exec.Command(python, "../../../scripts/sdk-table.py").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

package main

import (
	"os"

	"k8s.io/component-base/cli"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// Both in one program, by the first argument: they share nearly all that takes room.
func main() {
	name := os.Args[1]
	os.Args = append([]string{name}, os.Args[2:]...)
	if name == "scheduler" {
		os.Exit(cli.Run(scheduler.NewSchedulerCommand()))
	}
	os.Exit(cli.Run(manager.NewControllerManagerCommand()))
}

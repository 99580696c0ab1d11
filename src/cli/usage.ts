/** The text of `godwit --help`. */
import { DEFAULT_SOCKET } from './option-values.ts'

export const USAGE = `godwit: a dual-stack BGP route advertiser for Kubernetes

  godwit agent [--node NAME] [--namespace NAME] [--source kubernetes|DIR] [--kubeconfig FILE] [--api-group GROUP]
               [--control PATH] [--control-group NAME] [--calico-control DIR] [--http HOST:PORT|none]
               [--dataplane linux|none] [--table main|NUMBER] [--adopt bird|zebra|NUMBER,...] [--cni ptp|bridge|remove|none] [--cni-dir DIR]
               [--status FILE] [--node-readiness] [--bfd thread|PATH] [--log-level debug|info|warn|error]
                                    advertise this node's routes; --status FILE writes the status of the node to a file;
                                    --node-readiness sets a condition on the Node and removes its startup taint
  godwit bfd [--control PATH] [--log-level debug|info|warn|error]
                                    run BFD in a separate process that outlives agents (agent --bfd PATH)
  godwit                            open an interactive shell
  godwit show explain IP|PREFIX|NAMESPACE/SERVICE
                                    why it is or is not advertised, learned and forwarded
  godwit show status | summary | protocols [all] [NAME] | route [...] | services | filters | nat
              | callers | interfaces | static | symbols | memory | bfd sessions
  godwit enable | disable | restart | drain | undrain PEER, reload [in|out] PEER, configure check
  godwit leave [cancel|REASON], down, graceful restart
                                    commands to a running agent; \`godwit show ?\` lists all of show; disable, drain
                                    and leave hold until taken back or until the machine reboots
  godwit check DIR|FILE|-|kubernetes [--node NAME] [--diff OLD] [--namespace NAME] [--api-group GROUP] [--kubeconfig FILE]
                                    list errors in objects, and what each node would advertise to which neighbor;
                                    --namespace NAME is that of the agents, who read Secrets there
  godwit doctor                     check whether this machine can route, and print what to change
  godwit completion bash|zsh|fish   print a completion script for the shell
  godwit --version | --help

Options of commands to a running agent, before or after the command (doctor has -s, -o and --json, check -o and --json):
  -s, --socket PATH                 the agent's control socket (GODWIT_SOCKET; ${DEFAULT_SOCKET})
  -o, --output text|wide|json|yaml|name
                                    wide: with all details; name: names only
      --json                        the same as -o json
  -w, --watch[=SECONDS]             repeat the command, every two seconds by default
      --no-pager                    do not show long answers in a pager (GODWIT_PAGER, PAGER; less)

Exit codes: 0 done, 1 refused or not found, 2 wrong usage.
`

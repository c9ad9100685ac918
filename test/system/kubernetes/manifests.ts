// The manifests of deploy/kubernetes as kustomize renders them, and what tests ask of any set of them: which pods there are, what selects them, what they mount.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { goProgram } from './go-program.ts';

export const ROOT = join(import.meta.dirname, '../../..');
export const MANIFESTS = join(ROOT, 'deploy/kubernetes');
export const OVERLAYS = ['eu-west', 'us-east', 'witness'] as const;

export interface Selector {
  matchLabels?: Readonly<Record<string, string>>;
  matchExpressions?: readonly { key: string; operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'; values?: readonly string[] }[];
}

export interface Source {
  secret?: { name: string; optional?: boolean; items: readonly { key: string; path: string }[] };
  serviceAccountToken?: unknown;
}

export interface Volume {
  name: string;
  projected?: { defaultMode?: number; sources: readonly Source[] };
  configMap?: { name: string };
  emptyDir?: object;
}

export interface Probe {
  httpGet?: { path: string; port: string | number; scheme?: string };
  tcpSocket?: object;
}

export interface Container {
  name: string;
  image: string;
  args?: readonly string[];
  command?: readonly string[];
  ports?: readonly { name: string; containerPort: number }[];
  envFrom?: readonly { configMapRef?: { name: string } }[];
  livenessProbe?: Probe;
  readinessProbe?: Probe;
  startupProbe?: Probe;
  resources?: { requests?: Readonly<Record<string, string>>; limits?: Readonly<Record<string, string>> };
  securityContext?: Record<string, unknown>;
  volumeMounts?: readonly { name: string; mountPath: string; readOnly?: boolean }[];
}

export interface PodSpec {
  serviceAccountName?: string;
  automountServiceAccountToken?: boolean;
  priorityClassName?: string;
  terminationGracePeriodSeconds?: number;
  securityContext?: Record<string, unknown>;
  containers: readonly Container[];
  initContainers?: readonly Container[];
  volumes?: readonly Volume[];
}

export interface PodTemplate {
  metadata: { labels: Readonly<Record<string, string>> };
  spec: PodSpec;
}

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Readonly<Record<string, string>> };
  data?: Readonly<Record<string, string>>;
  spec?: {
    replicas?: number;
    serviceName?: string;
    template?: PodTemplate;
    selector?: Selector;
    podSelector?: Selector;
    policyTypes?: readonly string[];
    maxUnavailable?: number;
    updateStrategy?: { type: string };
    volumeClaimTemplates?: readonly { metadata: { name: string } }[];
    ports?: readonly { name: string; port: number; targetPort: string | number }[];
    ingress?: readonly Rule[];
    egress?: readonly Rule[];
    loadBalancerSourceRanges?: readonly string[];
  };
}

export interface Rule {
  from?: readonly Peer[];
  to?: readonly Peer[];
  ports?: readonly { port: string | number }[];
}

export interface Peer {
  podSelector?: Selector;
  namespaceSelector?: Selector;
  ipBlock?: { cidr: string; except?: readonly string[] };
}

/** What `kubectl apply -k FOLDER` would send. */
export const render = (folder: string): readonly Manifest[] => {
  const program = goProgram({ name: 'kustomize', folder: 'kustomize-build', module: 'sigs\\.k8s\\.io/kustomize/kustomize/v5' });
  const text = execFileSync(program, ['build', folder], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 });
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
};

export const ofKind = (all: readonly Manifest[], ...kinds: readonly string[]): readonly Manifest[] =>
  all.filter(({ kind }) => kinds.includes(kind));

/** Throws unless there is exactly one. */
export const only = (all: readonly Manifest[], kind: string, name: string): Manifest => {
  const found = all.filter((each) => each.kind === kind && each.metadata.name === name);
  if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} objects ${kind} ${name}`);
  return found[0];
};

export interface Workload {
  name: string;
  manifest: Manifest;
  template: PodTemplate;
  container: Container;
}

/** All that makes pods. Each has one container here. */
export const workloadsIn = (all: readonly Manifest[]): readonly Workload[] =>
  all.flatMap((manifest) => {
    const template = manifest.spec?.template;
    if (template === undefined) return [];
    const [container, ...others] = template.spec.containers;
    if (container === undefined || others.length > 0) throw new Error(`${manifest.metadata.name} has ${others.length + 1} containers`);
    return [{ name: manifest.metadata.name, manifest, template, container }];
  });

export const workload = (all: readonly Manifest[], name: string): Workload => {
  const found = workloadsIn(all).find((each) => each.name === name);
  if (found === undefined) throw new Error(`no workload ${name}`);
  return found;
};

/** As Kubernetes compares: an empty selector selects everything. */
export const selects = ({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Readonly<Record<string, string>>): boolean =>
  Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
  matchExpressions.every(({ key, operator, values = [] }) => {
    const value = labels[key];
    if (operator === 'Exists') return value !== undefined;
    if (operator === 'DoesNotExist') return value === undefined;
    return (value !== undefined && values.includes(value)) === (operator === 'In');
  });

export const isEmpty = ({ matchLabels = {}, matchExpressions = [] }: Selector): boolean =>
  Object.keys(matchLabels).length + matchExpressions.length === 0;

/** Every file that its projected volumes hold, where the container finds it, with the Secret it comes from. */
export const secretFilesOf = ({ template, container }: Workload): readonly { file: string; secret: string; key: string }[] =>
  (template.spec.volumes ?? []).flatMap(({ name, projected }) => {
    const mount = container.volumeMounts?.find((each) => each.name === name);
    return (projected?.sources ?? []).flatMap(({ secret }) =>
      (secret?.items ?? []).map(({ key, path }) => ({ file: join(mount?.mountPath ?? '', path), secret: secret?.name ?? '', key })),
    );
  });

const PLURALS: Readonly<Record<string, string>> = {
  ConfigMap: 'configmaps',
  Deployment: 'deployments',
  HorizontalPodAutoscaler: 'horizontalpodautoscalers',
  Job: 'jobs',
  Namespace: 'namespaces',
  NetworkPolicy: 'networkpolicies',
  PodDisruptionBudget: 'poddisruptionbudgets',
  PriorityClass: 'priorityclasses',
  Secret: 'secrets',
  Role: 'roles',
  RoleBinding: 'rolebindings',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  Service: 'services',
  ServiceAccount: 'serviceaccounts',
  StatefulSet: 'statefulsets',
};

/** Of its collection. Throws for a kind that these manifests have no business with. */
export const collectionOf = ({ apiVersion, kind, metadata: { namespace } }: Manifest): string => {
  const plural = PLURALS[kind];
  if (plural === undefined) throw new Error(`nobody expects a ${kind} here`);
  return `${apiVersion.includes('/') ? '/apis' : '/api'}/${apiVersion}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${plural}`;
};
export const pathOf = (manifest: Manifest): string => `${collectionOf(manifest)}/${manifest.metadata.name}`;

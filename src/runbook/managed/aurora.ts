// Amazon Aurora Global Database: one writer, read-only clusters in other regions. A planned move is a switchover, which waits for replication; an unplanned one
// is a failover that says that it may lose data. Asked through the endpoint of the region that is activated, since the other one may be gone.
import {
  DescribeGlobalClustersCommand,
  FailoverGlobalClusterCommand,
  type GlobalCluster,
  RDSClient,
  SwitchoverGlobalClusterCommand,
} from '@aws-sdk/client-rds';
import { credentialsFrom, FIXED, statusOfFailure, UNQUOTED } from '../../aws/client.ts';
import { handlerOver } from '../../aws/handler.ts';
import { errorText } from '../../errors.ts';
import { Answered, quoted } from '../../exchange.ts';
import type { AuroraConfig, SystemModule } from '../systems.ts';
import type { ManagedDatabase, Standing } from './standing.ts';

export const aurora: SystemModule<AuroraConfig> = {
  async open({ region, globalCluster, credentialsFile, endpoint, caFile }, context) {
    const http = context.httpTrusting(caFile === undefined ? {} : { caPem: context.text(caFile) });
    const credentials = credentialsFrom(credentialsFile, context);
    credentials.read();
    const client = new RDSClient({
      region,
      ...(endpoint === undefined ? {} : { endpoint }),
      credentials: credentials.provide,
      requestHandler: handlerOver(http.fetch),
      ...FIXED,
    });
    const asked = async <T>(work: Promise<T>): Promise<T> => {
      try {
        return await work;
      } catch (error) {
        throw told(error);
      }
    };
    const system: ManagedDatabase = {
      kind: 'aurora',
      async look(member, signal) {
        const command = new DescribeGlobalClustersCommand({ GlobalClusterIdentifier: globalCluster });
        const { GlobalClusters = [] } = await asked(client.send(command, { abortSignal: signal }));
        const found = GlobalClusters.find(({ GlobalClusterIdentifier }) => GlobalClusterIdentifier === globalCluster);
        if (found === undefined) throw new Answered(404, `there is no global cluster ${globalCluster}`);
        return standingOf(found, member);
      },
      async move(member, lossy, signal) {
        const target = { GlobalClusterIdentifier: globalCluster, TargetDbClusterIdentifier: member };
        const options = { abortSignal: signal };
        await asked(
          lossy
            ? client.send(new FailoverGlobalClusterCommand({ ...target, AllowDataLoss: true }), options)
            : client.send(new SwitchoverGlobalClusterCommand(target), options),
        );
        return null;
      },
      operation: null,
      async close() {
        client.destroy();
        await http.close();
      },
    };
    return system;
  },
};

/** As far as the library's own is used. */
type Found = Partial<Pick<GlobalCluster, 'GlobalClusterMembers' | 'FailoverState'>>;

/** By the vendor's own word, where there is one. */
const isByForce = ({ Status, IsDataLossAllowed }: NonNullable<Found['FailoverState']>): boolean =>
  IsDataLossAllowed ?? Status === 'failing-over';

/** The writer of a headless or failing global cluster may be named by none of its members. */
export const standingOf = ({ GlobalClusterMembers = [], FailoverState }: Found, member: string): Standing => {
  const found = GlobalClusterMembers.find(({ DBClusterArn }) => DBClusterArn === member);
  const status = FailoverState?.Status;
  return {
    writer: GlobalClusterMembers.find(({ IsWriter }) => IsWriter === true)?.DBClusterArn ?? null,
    member:
      found === undefined
        ? null
        : {
            writes: found.IsWriter === true,
            ready: found.SynchronizationStatus !== 'pending-resync',
            state: found.SynchronizationStatus ?? 'of unknown state',
          },
    busy:
      status === undefined
        ? null
        : {
            says: `${status} to ${FailoverState?.ToDbClusterArn ?? 'another cluster'}`,
            isThis: FailoverState?.ToDbClusterArn === member && status !== 'cancelling',
            waits: FailoverState !== undefined && status !== 'cancelling' && !isByForce(FailoverState),
          },
  };
};

/** In the words of a record: the vendor's name of the fault and its sentence, with the status that it had. */
const told = (error: unknown): unknown => {
  const status = statusOfFailure(error);
  if (status === null || !(error instanceof Error)) return error;
  return new Answered(status, UNQUOTED.has(error.name) ? error.name : quoted(`${error.name}: ${errorText(error)}`));
};

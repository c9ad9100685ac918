// The table of checks, in the order in which they are printed.
import type { Row } from './check.ts';
import { entranceChecks } from './checks/entrance.ts';
import { hostChecks } from './checks/host.ts';
import { replicaChecks } from './checks/replicas.ts';
import { securityChecks } from './checks/security.ts';
import { storeChecks } from './checks/store.ts';
import { wayChecks } from './checks/ways.ts';

export const CHECKS: readonly Row[] = [...storeChecks, ...replicaChecks, ...wayChecks, ...securityChecks, ...entranceChecks, ...hostChecks];

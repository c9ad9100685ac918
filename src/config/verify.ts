// The section `verify` of a platform: what `tidegate verify` looks at beside fleets, services and namespaces. What the words mean is in src/runbook/platform.ts.
import { z } from 'zod';
import type { VerifyConfig } from '../runbook/platform.ts';
import { kubernetesName, matching, name, present, regionName } from './fields.ts';

const ENTRIES_MAX = 16;
const REGIONS_MAX = 8;
const SECTION = 'where in the document the section is, by dots; write it like llm or checks.llm';
const section = matching(SECTION, (value) => /^[\w-]+(?:\.[\w-]+){0,7}$/.test(value) && value.length <= 128);

const site = z.strictObject({ system: name, namespace: kubernetesName, deployment: kubernetesName });

/** `regions` of the migration: those in whose cluster it runs; all that have a cluster unless said, which the empty list stands for. */
export const verifySchema = z
  .strictObject({
    migration: z
      .strictObject({ namespace: kubernetesName, job: kubernetesName, regions: z.array(regionName).max(REGIONS_MAX).default([]) })
      .optional(),
    deployments: z
      .array(z.strictObject({ name, sites: z.record(regionName, site) }))
      .max(ENTRIES_MAX)
      .default([]),
    checks: z.record(regionName, z.array(name).max(ENTRIES_MAX)).default({}),
    health: z.strictObject({ systems: z.record(regionName, name), section: section.default('llm') }).optional(),
  })
  .transform((given): VerifyConfig => present(given));

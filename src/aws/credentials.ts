// AWS credentials from a file in the ini form that AWS's own tools write. Pure.
import { Fault } from '../errors.ts';

export interface AwsCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

/** The `[default]` profile, or the only one. Throws Fault ERR_SECRET, which says what is missing and never what is there. */
export const credentialsOf = (text: string, file: string): AwsCredentials => {
  const profiles = profilesOf(text);
  const only = profiles.size === 1 ? [...profiles.values()][0] : undefined;
  const found = profiles.get('default') ?? only;
  if (found === undefined) {
    throw new Fault('ERR_SECRET', `${file}: found ${profiles.size} profiles and none called default, expected [default]; add it`);
  }
  const field = (name: string): string => {
    const value = found.get(name);
    if (value === undefined || value === '') throw new Fault('ERR_SECRET', `${file}: found no ${name}, expected "${name} = …"; add it`);
    return value;
  };
  const sessionToken = found.get('aws_session_token');
  return {
    accessKeyId: field('aws_access_key_id'),
    secretAccessKey: field('aws_secret_access_key'),
    ...(sessionToken === undefined || sessionToken === '' ? {} : { sessionToken }),
  };
};

const profilesOf = (text: string): ReadonlyMap<string, ReadonlyMap<string, string>> => {
  const profiles = new Map<string, Map<string, string>>();
  let section = 'default';
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.trim();
    const header = /^\[\s*(?:profile\s+)?([^\]]+?)\s*\]$/.exec(line)?.[1];
    if (header !== undefined) section = header;
    const pair = /^([a-z_]+)\s*=\s*(\S*)$/i.exec(line);
    if (header !== undefined || pair !== null) {
      const profile = profiles.get(section) ?? new Map<string, string>();
      profiles.set(section, profile);
      if (pair !== null) profile.set(pair[1]!.toLowerCase(), pair[2]!);
    }
  }
  return profiles;
};

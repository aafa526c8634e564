CREATE TABLE audit (
	id SERIAL NOT NULL,
	at TIMESTAMP WITH TIME ZONE NOT NULL,
	guild_id BIGINT,
	actor_id BIGINT,
	subject_id BIGINT,
	action TEXT NOT NULL,
	run_key TEXT,
	deployment TEXT,
	outcome TEXT,
	details JSON NOT NULL,
	PRIMARY KEY (id)
);
CREATE INDEX audit_guild ON audit (guild_id, at);
CREATE INDEX audit_subject ON audit (guild_id, subject_id, at);
CREATE INDEX audit_user ON audit (subject_id, at);
CREATE TABLE blocks (
	guild_id BIGINT NOT NULL,
	user_id BIGINT NOT NULL,
	reason TEXT,
	until TIMESTAMP WITH TIME ZONE,
	created_at TIMESTAMP WITH TIME ZONE NOT NULL,
	created_by BIGINT NOT NULL,
	PRIMARY KEY (guild_id, user_id)
);
CREATE TABLE channel_defaults (
	channel_id BIGINT NOT NULL,
	guild_id BIGINT NOT NULL,
	folded TEXT NOT NULL,
	set_at TIMESTAMP WITH TIME ZONE NOT NULL,
	set_by BIGINT,
	PRIMARY KEY (channel_id)
);
CREATE INDEX channel_defaults_preset ON channel_defaults (guild_id, folded);
CREATE INDEX channel_defaults_setter ON channel_defaults (set_by);
CREATE TABLE key_values (
	name TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (name)
);
CREATE TABLE presets (
	id SERIAL NOT NULL,
	holder TEXT NOT NULL,
	holder_id BIGINT NOT NULL,
	name TEXT NOT NULL,
	folded TEXT NOT NULL,
	deployment TEXT NOT NULL,
	inputs JSON NOT NULL,
	gpu TEXT,
	created_at TIMESTAMP WITH TIME ZONE NOT NULL,
	created_by BIGINT,
	is_default BOOLEAN DEFAULT false NOT NULL,
	PRIMARY KEY (id)
);
CREATE INDEX presets_creator ON presets (created_by);
CREATE UNIQUE INDEX presets_name ON presets (holder, holder_id, folded);
CREATE TABLE queues (
	deployment TEXT NOT NULL,
	virtual_time BIGINT NOT NULL,
	waits_for TEXT,
	waits_params JSON,
	PRIMARY KEY (deployment)
);
CREATE TABLE requests (
	key TEXT NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE NOT NULL,
	requester_id BIGINT NOT NULL,
	guild_id BIGINT,
	channel_id BIGINT NOT NULL,
	prompt TEXT,
	parent_key TEXT,
	preset_note TEXT,
	count INTEGER DEFAULT '1' NOT NULL,
	press TEXT,
	private BOOLEAN DEFAULT false NOT NULL,
	age_restricted BOOLEAN DEFAULT false NOT NULL,
	channel_age_restricted BOOLEAN DEFAULT false NOT NULL,
	file_deployments JSON NOT NULL,
	interaction_id BIGINT,
	interaction_token TEXT,
	interaction_expires_at TIMESTAMP WITH TIME ZONE,
	upload_limit BIGINT NOT NULL,
	user_install BOOLEAN DEFAULT false NOT NULL,
	status_message_id BIGINT,
	status_note TEXT,
	lease_owner TEXT,
	lease_until TIMESTAMP WITH TIME ZONE,
	deadline_seconds INTEGER NOT NULL,
	run_timeout INTEGER,
	review_channel_id BIGINT,
	requester_joined_at TIMESTAMP WITH TIME ZONE,
	requester_roles JSON,
	decided_by BIGINT,
	decided_at TIMESTAMP WITH TIME ZONE,
	spoiler BOOLEAN DEFAULT false NOT NULL,
	PRIMARY KEY (key)
);
CREATE INDEX requests_created ON requests (created_at);
CREATE INDEX requests_ending ON requests (interaction_expires_at) WHERE user_install AND interaction_expires_at IS NOT NULL;
CREATE INDEX requests_guild ON requests (guild_id, created_at);
CREATE UNIQUE INDEX requests_interaction ON requests (interaction_id);
CREATE INDEX requests_requester ON requests (requester_id, created_at);
CREATE TABLE server_rules (
	guild_id BIGINT NOT NULL,
	rules JSON NOT NULL,
	retention_days INTEGER NOT NULL,
	PRIMARY KEY (guild_id)
);
CREATE INDEX server_rules_retention ON server_rules (retention_days, guild_id);
CREATE TABLE usage (
	day DATE NOT NULL,
	guild_id BIGINT NOT NULL,
	person_id BIGINT NOT NULL,
	runs INTEGER NOT NULL,
	seconds FLOAT NOT NULL,
	weighted_seconds FLOAT NOT NULL,
	failures INTEGER NOT NULL,
	PRIMARY KEY (day, guild_id, person_id)
);
CREATE INDEX usage_person ON usage (person_id, day);
CREATE TABLE messages (
	request_key TEXT NOT NULL,
	kind TEXT NOT NULL,
	number INTEGER NOT NULL,
	wanted_rev INTEGER DEFAULT '1' NOT NULL,
	shown_rev INTEGER DEFAULT '0' NOT NULL,
	posted JSON NOT NULL,
	stale JSON NOT NULL,
	attempt JSON,
	form INTEGER DEFAULT '0' NOT NULL,
	place INTEGER,
	failures INTEGER DEFAULT '0' NOT NULL,
	due_at TIMESTAMP WITH TIME ZONE NOT NULL,
	since TIMESTAMP WITH TIME ZONE NOT NULL,
	channel_id BIGINT,
	with_prompt BOOLEAN DEFAULT false NOT NULL,
	offered BOOLEAN DEFAULT false NOT NULL,
	deleted_by BIGINT,
	PRIMARY KEY (request_key, kind, number),
	FOREIGN KEY(request_key) REFERENCES requests (key) ON DELETE CASCADE
);
CREATE INDEX messages_due ON messages (due_at) WHERE wanted_rev > shown_rev;
CREATE INDEX messages_offered ON messages (request_key) WHERE offered;
CREATE TABLE runs (
	key TEXT NOT NULL,
	request_key TEXT NOT NULL,
	index INTEGER DEFAULT '0' NOT NULL,
	state TEXT NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE NOT NULL,
	requester_id BIGINT NOT NULL,
	guild_id BIGINT,
	user_limit INTEGER,
	server_limit INTEGER,
	queue_tag BIGINT DEFAULT '0' NOT NULL,
	deployment TEXT NOT NULL,
	deployment_id TEXT NOT NULL,
	inputs JSON NOT NULL,
	gpu TEXT,
	expected_gpu TEXT,
	seed BIGINT,
	run_id TEXT,
	live_status TEXT,
	progress FLOAT,
	queue_position INTEGER,
	outputs JSON NOT NULL,
	gpu_used TEXT,
	run_duration FLOAT,
	submitted_at TIMESTAMP WITH TIME ZONE,
	started_at TIMESTAMP WITH TIME ZONE,
	ended_at TIMESTAMP WITH TIME ZONE,
	cancel_requested_at TIMESTAMP WITH TIME ZONE,
	cancelled_by BIGINT,
	failure_code TEXT,
	failure_params JSON NOT NULL,
	failure_log TEXT,
	partial BOOLEAN DEFAULT false NOT NULL,
	outputs_since TIMESTAMP WITH TIME ZONE,
	deleted_at TIMESTAMP WITH TIME ZONE,
	deleted_by BIGINT,
	erased_at TIMESTAMP WITH TIME ZONE,
	report_channel_id BIGINT,
	to_check BOOLEAN DEFAULT false NOT NULL,
	verdicts JSON,
	held_until TIMESTAMP WITH TIME ZONE,
	weight FLOAT DEFAULT '1' NOT NULL,
	reserved_seconds FLOAT DEFAULT '60' NOT NULL,
	charged_on DATE,
	waiting_code TEXT,
	waiting_params JSON,
	due_at TIMESTAMP WITH TIME ZONE,
	checks INTEGER DEFAULT '0' NOT NULL,
	claim_id TEXT,
	PRIMARY KEY (key),
	FOREIGN KEY(request_key) REFERENCES requests (key) ON DELETE CASCADE
);
CREATE INDEX runs_due ON runs (state, due_at);
CREATE INDEX runs_ended ON runs (state, ended_at);
CREATE INDEX runs_guild_state ON runs (guild_id, state, created_at);
CREATE INDEX runs_held ON runs (held_until) WHERE held_until IS NOT NULL;
CREATE INDEX runs_in_flight ON runs (state, guild_id, requester_id, deployment) WHERE state IN ('queued', 'running', 'submitting', 'uploading');
CREATE INDEX runs_places ON runs (deployment, coalesce(queue_position, 0), due_at) WHERE state = 'waiting';
CREATE INDEX runs_queue ON runs (deployment, queue_tag, created_at, key, guild_id, requester_id, user_limit, server_limit, due_at, state) WHERE state = 'waiting';
CREATE UNIQUE INDEX runs_request ON runs (request_key, index);
CREATE INDEX runs_succeeded ON runs (deployment, coalesce(expected_gpu, ''), ended_at) WHERE state = 'succeeded';
CREATE INDEX runs_turns ON runs (deployment, requester_id, queue_tag);
CREATE TABLE alembic_version (
	version_num TEXT NOT NULL,
	PRIMARY KEY (version_num)
);
INSERT INTO alembic_version (version_num) VALUES ('v1_001');

-- A database of release 0.1.0 as that release wrote it, of drawn values only; tests read it with this release.
BEGIN TRANSACTION;
CREATE TABLE annotation_sources (
	annotation_id INTEGER NOT NULL,
	data JSON NOT NULL,
	result JSON NOT NULL,
	lead_time DOUBLE,
	PRIMARY KEY (annotation_id),
	FOREIGN KEY(annotation_id) REFERENCES annotations (id) ON DELETE CASCADE
);
INSERT INTO "annotation_sources" VALUES(21,'{"video": "/data/upload/1/0123abcd-drawn-11.mp4", "fps": 25.0}','[{"id": "rep1", "type": "timelinelabels", "from_name": "reps", "to_name": "video", "origin": "prediction", "value": {"ranges": [{"start": 26, "end": 75}], "timelinelabels": ["Normal rep"]}}, {"id": "rep2", "type": "timelinelabels", "from_name": "reps", "to_name": "video", "origin": "prediction", "value": {"ranges": [{"start": 101, "end": 150}], "timelinelabels": ["Anomalous rep"]}}, {"id": "rep2", "type": "choices", "from_name": "fault", "to_name": "video", "value": {"ranges": [{"start": 101, "end": 150}], "choices": ["Hitching"]}}]',12.5);
INSERT INTO "annotation_sources" VALUES(22,'{"video": "/data/upload/1/0123abcd-drawn-12.mp4", "fps": 25.0}','[{"id": "rep1", "type": "timelinelabels", "from_name": "reps", "to_name": "video", "origin": "manual", "value": {"ranges": [{"start": 30, "end": 80}], "timelinelabels": ["Normal rep"]}}]',NULL);
CREATE TABLE annotations (
	id INTEGER NOT NULL,
	project INTEGER NOT NULL,
	task INTEGER NOT NULL,
	media VARCHAR NOT NULL,
	annotator INTEGER,
	was_cancelled BOOLEAN NOT NULL,
	ground_truth BOOLEAN NOT NULL,
	parent_prediction INTEGER,
	updated_at VARCHAR NOT NULL,
	deleted BOOLEAN NOT NULL,
	received_at DATETIME NOT NULL,
	PRIMARY KEY (id)
);
INSERT INTO "annotations" VALUES(21,1,11,'/data/upload/1/0123abcd-drawn-11.mp4',1,0,1,1001,'2026-01-02T03:04:05Z',0,'2026-11-28 11:37:51.515412');
INSERT INTO "annotations" VALUES(22,1,12,'/data/upload/1/0123abcd-drawn-12.mp4',2,0,0,NULL,'2026-01-03T03:04:05Z',0,'2026-11-28 11:37:51.521214');
INSERT INTO "annotations" VALUES(23,0,0,'',NULL,0,0,NULL,'',1,'2026-11-28 11:37:51.522111');
CREATE TABLE deleted_tasks (
	id INTEGER NOT NULL,
	PRIMARY KEY (id)
);
INSERT INTO "deleted_tasks" VALUES(99);
CREATE TABLE jobs (
	id INTEGER NOT NULL,
	project INTEGER NOT NULL,
	task INTEGER NOT NULL,
	media VARCHAR NOT NULL,
	model_version VARCHAR NOT NULL,
	config VARCHAR NOT NULL,
	data JSON NOT NULL,
	state VARCHAR NOT NULL,
	attempts INTEGER NOT NULL,
	error_type VARCHAR NOT NULL,
	error_message VARCHAR NOT NULL,
	result VARCHAR NOT NULL,
	delivery VARCHAR NOT NULL,
	delivered_at DATETIME,
	prediction_id INTEGER,
	created_at DATETIME NOT NULL,
	updated_at DATETIME NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (project, task, media, model_version, config)
);
INSERT INTO "jobs" VALUES(1,1,11,'/data/upload/1/0123abcd-drawn-11.mp4','base-1','0123456789abcdef','{"video": "/data/upload/1/0123abcd-drawn-11.mp4", "fps": 25.0}','done',1,'','','{"video": {"path": "/videos/drawn.mp4", "duration_s": 8.0, "fps": 25.0, "width": 640, "height": 480, "rotation": 0, "variable_rate": false, "codec": "h264", "start_s": 0.0}, "reps": [{"start_s": 1.0, "top_s": 2.0, "end_s": 3.0}, {"start_s": 4.0, "top_s": 5.0, "end_s": 6.0}], "scores": [{"score": 0.2, "p_value": 0.8, "raw": 2.0, "reasons": [{"body_part": "hips", "phase": "pull", "share": 0.6}], "reliable": true}, {"score": 0.9, "p_value": 0.1, "raw": 9.0, "reasons": [{"body_part": "hips", "phase": "pull", "share": 0.6}], "reliable": true}], "confidence": 0.8, "model_version": "base-1", "config_digest": "0123456789abcdef", "media_digest": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "look": [0.1, 0.2, 0.3]}','pushed','2026-11-28 11:37:51.489702',1001,'2026-11-28 11:37:51.440473','2026-11-28 11:37:51.491754');
INSERT INTO "jobs" VALUES(2,1,12,'/data/upload/1/0123abcd-drawn-12.mp4','base-1','0123456789abcdef','{"video": "/data/upload/1/0123abcd-drawn-12.mp4", "fps": 25.0}','done',1,'','','{"video": {"path": "/videos/drawn.mp4", "duration_s": 5.0, "fps": 25.0, "width": 640, "height": 480, "rotation": 0, "variable_rate": false, "codec": "h264", "start_s": 0.0}, "reps": [{"start_s": 1.0, "top_s": 2.0, "end_s": 3.0}], "scores": [{"score": 0.4, "p_value": 0.6, "raw": 4.0, "reasons": [{"body_part": "hips", "phase": "pull", "share": 0.6}], "reliable": true}], "confidence": 0.8, "model_version": "base-1", "config_digest": "0123456789abcdef", "media_digest": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "look": [0.5, 0.1, 0.2]}','answered','2026-11-28 11:37:51.497965',NULL,'2026-11-28 11:37:51.440473','2026-11-28 11:37:51.505316');
INSERT INTO "jobs" VALUES(3,1,13,'/data/upload/1/0123abcd-drawn-13.mp4','base-1','0123456789abcdef','{"video": "/data/upload/1/0123abcd-drawn-13.mp4", "fps": 25.0}','failed',1,'NotAVideo','drawn-3.mp4: no video stream. Is it a video?','','',NULL,NULL,'2026-11-28 11:37:51.440473','2026-11-28 11:37:51.507461');
CREATE TABLE labeled_regions (
	id INTEGER NOT NULL,
	annotation_id INTEGER NOT NULL,
	region VARCHAR NOT NULL,
	start_s DOUBLE NOT NULL,
	end_s DOUBLE NOT NULL,
	label VARCHAR NOT NULL,
	origin VARCHAR NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(annotation_id) REFERENCES annotations (id) ON DELETE CASCADE
);
INSERT INTO "labeled_regions" VALUES(1,21,'rep1',1.0,3.0,'normal','prediction');
INSERT INTO "labeled_regions" VALUES(2,21,'rep2',4.0,6.0,'anomalous','prediction');
INSERT INTO "labeled_regions" VALUES(3,22,'rep1',1.16,3.2,'normal','manual');
CREATE TABLE labels_read (
	project INTEGER NOT NULL,
	label_config VARCHAR NOT NULL,
	PRIMARY KEY (project)
);
INSERT INTO "labels_read" VALUES(1,'<View><Video name="video" value="$video" frameRate="$fps"/><TimelineLabels name="reps" toName="video"><Label value="Normal rep"/><Label value="Anomalous rep"/></TimelineLabels><Choices name="fault" toName="video" perRegion="true"><Choice value="Hitching"/></Choices></View>');
CREATE TABLE ledger (
	id INTEGER NOT NULL,
	target VARCHAR NOT NULL,
	source VARCHAR NOT NULL,
	model_version VARCHAR NOT NULL,
	config VARCHAR NOT NULL,
	media VARCHAR NOT NULL,
	fingerprint VARCHAR NOT NULL,
	run INTEGER NOT NULL,
	state VARCHAR NOT NULL,
	failures INTEGER NOT NULL,
	error_type VARCHAR NOT NULL,
	error_message VARCHAR NOT NULL,
	result VARCHAR NOT NULL,
	task INTEGER,
	prediction INTEGER,
	updated_at DATETIME NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (target, source, model_version, config)
);
INSERT INTO "ledger" VALUES(1,'folder /out','/videos/drawn.mp4','base-1','0123456789abcdef','/videos/drawn.mp4','100-200',1795865871843086076,'done',0,'','','{"video": {"path": "/videos/drawn.mp4", "duration_s": 8.0, "fps": 25.0, "width": 640, "height": 480, "rotation": 0, "variable_rate": false, "codec": "h264", "start_s": 0.0}, "reps": [{"start_s": 1.0, "top_s": 2.0, "end_s": 3.0}, {"start_s": 4.0, "top_s": 5.0, "end_s": 6.0}], "scores": [{"score": 0.2, "p_value": 0.8, "raw": 2.0, "reasons": [{"body_part": "hips", "phase": "pull", "share": 0.6}], "reliable": true}, {"score": 0.9, "p_value": 0.1, "raw": 9.0, "reasons": [{"body_part": "hips", "phase": "pull", "share": 0.6}], "reliable": true}], "confidence": 0.8, "model_version": "base-1", "config_digest": "0123456789abcdef", "media_digest": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "look": [0.1, 0.2, 0.3]}',11,1001,'2026-11-28 11:37:51.883429');
INSERT INTO "ledger" VALUES(2,'folder /out','/videos/other.mp4','base-1','0123456789abcdef','/videos/other.mp4','100-201',1795865871843086076,'failed',1,'VideoDamaged','damaged','',NULL,NULL,'2026-11-28 11:37:51.891069');
CREATE TABLE looks (
	project INTEGER NOT NULL,
	media_digest VARCHAR NOT NULL,
	cluster INTEGER NOT NULL,
	is_leader BOOLEAN NOT NULL,
	look JSON NOT NULL,
	PRIMARY KEY (project, media_digest)
);
INSERT INTO "looks" VALUES(1,'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',1,1,'[0.1, 0.2, 0.3]');
INSERT INTO "looks" VALUES(1,'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',2,1,'[0.5, 0.1, 0.2]');
CREATE TABLE projects (
	id INTEGER NOT NULL,
	label_config VARCHAR NOT NULL,
	seen_at DATETIME NOT NULL,
	PRIMARY KEY (id)
);
INSERT INTO "projects" VALUES(1,'<View><Video name="video" value="$video" frameRate="$fps"/><TimelineLabels name="reps" toName="video"><Label value="Normal rep"/><Label value="Anomalous rep"/></TimelineLabels><Choices name="fault" toName="video" perRegion="true"><Choice value="Hitching"/></Choices></View>','2026-11-28 11:37:48.897635');
INSERT INTO "projects" VALUES(2,'','2026-11-28 11:37:48.910288');
CREATE TABLE received_events (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	body BLOB NOT NULL,
	received_at DATETIME NOT NULL,
	tries INTEGER NOT NULL,
	put_off_until DATETIME
);
INSERT INTO "received_events" VALUES(1,X'7B22616374696F6E223A202250524F4A4543545F55504441544544222C202270726F6A656374223A207B226964223A20317D7D','2026-11-28 11:37:51.556258',0,NULL);
CREATE TABLE runs (
	id INTEGER NOT NULL,
	project INTEGER NOT NULL,
	reason VARCHAR NOT NULL,
	state VARCHAR NOT NULL,
	attempts INTEGER NOT NULL,
	is_cancelled BOOLEAN NOT NULL,
	phase VARCHAR NOT NULL,
	epoch INTEGER NOT NULL,
	loss DOUBLE,
	percent DOUBLE NOT NULL,
	version VARCHAR NOT NULL,
	message VARCHAR NOT NULL,
	labels_at DATETIME,
	started_at DATETIME,
	created_at DATETIME NOT NULL,
	updated_at DATETIME NOT NULL,
	PRIMARY KEY (id)
);
INSERT INTO "runs" VALUES(1,1,'drawn labels','done',1,0,'training',3,0.25,100.0,'project-1-1','Kept.','2026-01-04 00:00:00.000000','2026-11-28 11:37:51.607140','2026-11-28 11:37:51.596703','2026-11-28 11:37:51.825255');
INSERT INTO "runs" VALUES(2,1,'asked for','queued',0,0,'',0,NULL,0.0,'','',NULL,NULL,'2026-11-28 11:37:51.841055','2026-11-28 11:37:51.841083');
CREATE TABLE sampling (
	project INTEGER NOT NULL,
	is_diverse BOOLEAN NOT NULL,
	PRIMARY KEY (project)
);
INSERT INTO "sampling" VALUES(1,0);
CREATE INDEX ix_annotations_task ON annotations (task);
CREATE INDEX jobs_by_state ON jobs (state);
CREATE INDEX jobs_by_task ON jobs (task);
CREATE INDEX ledger_by_run ON ledger (run, state);
CREATE INDEX ix_labeled_regions_annotation_id ON labeled_regions (annotation_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('received_events',1);
COMMIT;

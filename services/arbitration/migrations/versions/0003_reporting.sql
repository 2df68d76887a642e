CREATE VIEW reporting.scorecards_daily (network, site, day, parcels, late_parcels, late_rate, findings, amount_fen, complaints, complaints_per_million,
    escalations) AS
SELECT network, site, day, parcels, late_parcels, round(late_parcels / nullif(parcels, 0), 6), findings,
    amount_fen, complaints, round(complaints * 1000000 / nullif(parcels, 0), 2), escalations
FROM (
    SELECT network, nullif(site, '') AS site, day,
        coalesce(sum(amount) FILTER (WHERE measure = 'parcels'), 0) AS parcels,
        coalesce(sum(amount) FILTER (WHERE measure = 'late'), 0) AS late_parcels,
        coalesce(sum(amount) FILTER (WHERE measure = 'findings'), 0) AS findings,
        coalesce(sum(amount) FILTER (WHERE measure = 'amount_fen'), 0) AS amount_fen,
        coalesce(sum(amount) FILTER (WHERE measure = 'complaints'), 0) AS complaints,
        coalesce(sum(amount) FILTER (WHERE measure = 'escalations'), 0) AS escalations
    FROM (SELECT * FROM scorecards UNION ALL SELECT * FROM scorecard_changes) AS s
    WHERE generation = (SELECT live FROM projections WHERE name = 'scorecards')
    GROUP BY network, s.site, day
    HAVING bool_or(amount <> 0)
) AS sums;

COMMENT ON VIEW reporting.scorecards_daily IS 'How each site did on each local day';
COMMENT ON COLUMN reporting.scorecards_daily.site IS 'null: what stands on no site';
COMMENT ON COLUMN reporting.scorecards_daily.day IS 'local day of the site''s first scan of a parcel, of a complaint''s opening, of what triggered a finding';
COMMENT ON COLUMN reporting.scorecards_daily.parcels IS 'parcels that the site held, each once';
COMMENT ON COLUMN reporting.scorecards_daily.late_parcels IS 'those for whose delay the site answers (TT-04, GB-01, ZT-02, LR-06), on the day of their first scan there';
COMMENT ON COLUMN reporting.scorecards_daily.late_rate IS 'late_parcels / parcels';
COMMENT ON COLUMN reporting.scorecards_daily.findings IS 'standing findings of every kind';
COMMENT ON COLUMN reporting.scorecards_daily.amount_fen IS 'their money, in fen';
COMMENT ON COLUMN reporting.scorecards_daily.complaints IS 'complaints for which the site is responsible (SD-06)';
COMMENT ON COLUMN reporting.scorecards_daily.complaints_per_million IS 'complaints per million parcels of the day';
COMMENT ON COLUMN reporting.scorecards_daily.escalations IS 'complaints about the site that went to a regulator or association';

CREATE VIEW reporting.findings_daily (network, site, rule, day, findings, amount_fen) AS
SELECT network, nullif(site, ''), rule, day,
    coalesce(sum(amount) FILTER (WHERE measure = 'findings'), 0) AS findings,
    coalesce(sum(amount) FILTER (WHERE measure = 'amount_fen'), 0) AS amount_fen
FROM (SELECT * FROM scorecards UNION ALL SELECT * FROM scorecard_changes) AS s
WHERE generation = (SELECT live FROM projections WHERE name = 'scorecards') AND rule <> ''
GROUP BY network, s.site, rule, day
HAVING sum(amount) FILTER (WHERE measure = 'findings') <> 0;

COMMENT ON VIEW reporting.findings_daily IS 'Standing findings and their money by site, rule and local day';
COMMENT ON COLUMN reporting.findings_daily.site IS 'null: what stands on no site';
COMMENT ON COLUMN reporting.findings_daily.day IS 'local day of what triggered the finding';
COMMENT ON COLUMN reporting.findings_daily.amount_fen IS 'in fen; liability, rejections and alerts have none';

CREATE VIEW reporting.parcels_on_their_way (network, waybill, site, towards, last_recorded_at) AS
SELECT network, split_part(subject, '/', 2), site, towards, last_recorded_at
FROM parcels
WHERE generation = (SELECT live FROM projections WHERE name = 'silences');

COMMENT ON VIEW reporting.parcels_on_their_way IS 'Parcels that were not delivered, returned or disposed of when they were last looked at; those with an old last_recorded_at are silent';
COMMENT ON COLUMN reporting.parcels_on_their_way.site IS 'who holds the parcel, or sent it on and nobody has scanned it since';
COMMENT ON COLUMN reporting.parcels_on_their_way.towards IS 'the site that it was sent to, null while it is held';
COMMENT ON COLUMN reporting.parcels_on_their_way.last_recorded_at IS 'when the system had last heard of it, as of the last look; GET /v1/silences checks the journal';

CREATE VIEW reporting.complaint_clocks (network, waybill, complaint_id, channel, category, claimant, against_site, responsible_site, major,
    major_ground, flagged_at, opened_at, forwarded_at, forward_due_at, received_at, contacted_at, contact_due_at, progressed_at,
    progress_due_at, handled_at, settled_at, settle_due_at, followed_up_at, follow_up_due_at, closed_at, satisfied, class,
    subclass, state, reopened, escalations, desk, closed_at_intake, reopened_at, first_settled_at, follow_up_missed) AS
SELECT network, split_part(subject, '/', 2), complaint_id, channel, category, claimant, against_site,
    responsible_site, major, major_ground, flagged_at, opened_at, forwarded_at, forward_due_at, received_at, contacted_at,
    contact_due_at, progressed_at, progress_due_at, handled_at, settled_at, settle_due_at, followed_up_at,
    follow_up_due_at, closed_at, satisfied, class, subclass, state, reopened, escalations, desk, closed_at_intake,
    reopened_at, first_settled_at, follow_up_missed
FROM complaints
WHERE generation = (SELECT live FROM projections WHERE name = 'complaints');

COMMENT ON VIEW reporting.complaint_clocks IS 'Every complaint: what was done when, and what is due when (SD-01 to SD-07)';
COMMENT ON COLUMN reporting.complaint_clocks.responsible_site IS 'the site complained of, else the liable, the delivering, the collecting one';
COMMENT ON COLUMN reporting.complaint_clocks.state IS 'as GET /v1/complaints says it';
COMMENT ON COLUMN reporting.complaint_clocks.desk IS 'code of the desk that took the complaint';
COMMENT ON COLUMN reporting.complaint_clocks.closed_at_intake IS 'closed satisfied when it was taken: SD-01 to SD-03 do not concern it';
COMMENT ON COLUMN reporting.complaint_clocks.first_settled_at IS 'the first settlement, by which SD-03 is judged; settled_at is null again after a reopening';
COMMENT ON COLUMN reporting.complaint_clocks.follow_up_missed IS 'whether a settlement went without its follow-up (SD-05)';

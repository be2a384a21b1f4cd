-- Early kilonova candidates, alert part (Z03)
-- For follow-up of gravitational-wave events with ZTF, after Fink: real, star-like, first seen within six hours.
-- survey: ztf
-- result: one row an alert that passes: its id, its object, scores, and the days since it was first seen
-- caveat: only the cuts on the alert; Fink's scores and cross-matches are not in packets
-- cost: four columns of all alerts
SELECT _alert, _object, candidate.drb, candidate.classtar, candidate.jd - candidate.jdstarthist AS age_days
FROM ztf.alerts
WHERE candidate.drb > 0.5 AND candidate.classtar > 0.4 AND candidate.jd - candidate.jdstarthist < 0.25

-- What is rising
-- For follow-up tonight: objects that grew brighter over the last days, by a straight line through the fluxes of a
-- band.
-- survey: lsst
-- param until number d: the last time that counts (MJD, TAI), itself included
-- param days number d from 0 default 7: how many days before it count
-- param points integer from 3 default 3: the least number of measurements in a band
-- param sigma number from 0 default 3: how many times its error the slope has to exceed
-- example: until=61140
-- result: one row an object and band, steepest first: measurements, slope and its error (nJy a day), the newest flux
--   (nJy)
-- caveat: a line is a poor model of what flares and fades within the window; the Solar System is not in it
-- cost: the files of these days, and of later ones for the history that they brought
SELECT diaObjectId, band, count(*) AS points, linear_slope(midpointMjdTai, psfFlux, psfFluxErr) AS slope,
       linear_slope_err(midpointMjdTai, psfFlux, psfFluxErr) AS slope_err,
       last_value(psfFlux ORDER BY midpointMjdTai, diaSourceId) AS newest
FROM (
  SELECT DISTINCT ON (diaSourceId) diaSourceId, diaObjectId, midpointMjdTai, band, psfFlux, psfFluxErr
  FROM lsst.sources
  WHERE midpointMjdTai BETWEEN $until - $days AND $until AND diaObjectId <> 0
  ORDER BY diaSourceId, _origin DESC, _commit DESC
) AS measured
GROUP BY diaObjectId, band
HAVING points >= $points AND slope > $sigma * slope_err
ORDER BY slope DESC, diaObjectId

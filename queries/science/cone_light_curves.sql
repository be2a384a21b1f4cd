-- Light curves of all objects near a position
-- First a cone, then every measurement of the objects that were ever seen in it.
-- survey: lsst
-- param ra number deg: right ascension of the position, ICRS
-- param dec number deg from -90 to 90: its declination
-- param radius number arcsec from 0 to 648000 default 5: how far from it, the edge included
-- example: ra=150.1 dec=2.2
-- result: one row a measurement, as in light_curves, object by object and oldest first
-- caveat: measurements more than ten arcseconds beyond the radius are left out, though they were said to be of an
--   object that is inside
-- cost: files and rows near the position, twice
SELECT diaObjectId, diaSourceId, midpointMjdTai, band, psfFlux, psfFluxErr, _origin
FROM lsst.DiaSource
WHERE cone(ra, dec, $ra, $dec, arcsec($radius + 10)) AND diaObjectId <> 0
  AND diaObjectId IN (SELECT diaObjectId FROM lsst.DiaSource WHERE cone(ra, dec, $ra, $dec, arcsec($radius)))
ORDER BY diaObjectId, midpointMjdTai, diaSourceId
